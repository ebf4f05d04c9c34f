// The publisher against fake dataplanes that start, die, refuse and hang.
#include "control/publisher.h"

#include "control/policy_source.h"
#include "rules/image.h"
#include "tests/control/fake_dataplane.h"
#include "tests/control/policies.h"
#include "tests/rules/slot_memory.h"

#include <catch2/catch.hpp>

#include <chrono>
#include <cstring>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <thread>

using namespace portcullis;
using namespace std::chrono_literals;
using portcullis::test::add_dropped;
using portcullis::test::FakeDataplane;
using portcullis::test::make_policy;
using portcullis::test::policy_text;
using portcullis::test::pool_text;
using portcullis::test::TempFolder;

namespace {

using Clock = std::chrono::steady_clock;

// Whether `holds` becomes true in `limit`.
template <typename Condition>
bool within(std::chrono::milliseconds limit, Condition&& holds) {
    const auto end = Clock::now() + limit;
    while (!holds()) {
        if (Clock::now() >= end) {
            return false;
        }
        std::this_thread::sleep_for(2ms);
    }
    return true;
}

std::uint64_t checksum_of(const FakeDataplane::Image& image) {
    ImageHeader header;
    REQUIRE(image.bytes.size() >= sizeof(header));
    std::memcpy(&header, image.bytes.data(), sizeof(header));
    return header.checksum;
}

UnixSeconds unix_now() {
    return std::chrono::duration_cast<std::chrono::seconds>(
               std::chrono::system_clock::now().time_since_epoch()
    )
        .count();
}

// A control process without HTTP.
class Control {
public:
    explicit Control(const std::filesystem::path& folder, bool with_state = false)
        : socket(folder / "dp.sock") {
        Errors problem;
        const std::filesystem::path state = with_state ? folder : std::filesystem::path();
        LayoutStore layout(state, problem);
        BookkeeperOptions book_options;
        book_options.state_folder = state;
        book_options.layout_id = layout.id();
        books.emplace(book_options, problem);
        REQUIRE(problem.empty());
        PublisherOptions options;
        options.socket = socket;
        options.connect_timeout = 200ms;
        options.publish_timeout = 500ms;
        publisher.emplace(options, std::move(layout), *books);
    }

    [[nodiscard]] bool connected(bool expected = true) const {
        return within(5s, [&] { return publisher->status().connected == expected; });
    }

    [[nodiscard]] std::uint64_t failures(const std::string& reason) const {
        return publisher->status().failures.at(reason);
    }

    std::filesystem::path socket;
    std::optional<Bookkeeper> books;
    std::optional<Publisher> publisher;
};

}  // namespace

TEST_CASE("a policy is published, the same again is not") {
    const TempFolder folder;
    const FakeDataplane dataplane(folder.path() / "dp.sock");
    Control control(folder.path());
    const auto first = control.publisher->apply(make_policy(pool_text("100.64.0.0/24")));
    REQUIRE(first);
    CHECK(first.value().state == ApplyState::effective);
    CHECK(first.value().generation == Generation{1});
    REQUIRE(dataplane.images().size() == 1);
    // ImageBytes is aligned as validate() wants it.
    ImageBytes image(dataplane.images()[0].bytes.size());
    std::memcpy(image.bytes().data(), dataplane.images()[0].bytes.data(), image.bytes().size());
    CHECK(validate(image.bytes()));

    const auto again = control.publisher->apply(make_policy(pool_text("100.64.0.0/24")));
    REQUIRE(again);
    CHECK(again.value().state == ApplyState::unchanged);
    CHECK(again.value().generation == Generation{1});
    CHECK(dataplane.images().size() == 1);

    const auto other = control.publisher->apply(make_policy(pool_text("100.64.0.0/24", "free")));
    REQUIRE(other);
    CHECK(other.value().generation == Generation{2});
    CHECK(dataplane.images().size() == 2);
    control.books->look_now();
    CHECK(control.books->summary()->policy->generation == Generation{2});
}

TEST_CASE("a policy waits for its dataplane") {
    const TempFolder folder;
    Control control(folder.path());
    const auto outcome = control.publisher->apply(make_policy(pool_text("100.64.0.0/24")));
    REQUIRE(outcome);
    CHECK(outcome.value().state == ApplyState::waiting);
    CHECK(control.publisher->status().waiting);
    CHECK_THAT(control.publisher->status().problem, Catch::Contains("no dataplane listens at"));
    const FakeDataplane dataplane(control.socket);
    CHECK(within(1s, [&] { return dataplane.images().size() == 1; }));
    CHECK(within(1s, [&] { return !control.publisher->status().waiting; }));
}

TEST_CASE("a dataplane that restarts has its policy again within a second") {
    const TempFolder folder;
    auto dataplane = std::make_unique<FakeDataplane>(folder.path() / "dp.sock");
    Control control(folder.path());
    REQUIRE(control.publisher->apply(make_policy(pool_text("100.64.0.0/24"))));
    const std::uint64_t checksum = checksum_of(dataplane->images()[0]);
    for (std::uint64_t instance = 2; instance < 5; ++instance) {
        dataplane.reset();
        REQUIRE(control.connected(false));
        std::this_thread::sleep_for(150ms);  // long enough for the back-off to be at its longest
        const auto start = Clock::now();
        FakeDataplane::Options options;
        options.instance = instance;
        dataplane = std::make_unique<FakeDataplane>(folder.path() / "dp.sock", options);
        REQUIRE(within(1s, [&] { return dataplane->images().size() == 1; }));
        CHECK(Clock::now() - start < 500ms);
        CHECK(checksum_of(dataplane->images()[0]) == checksum);
        CHECK(dataplane->images()[0].generation == instance);
    }
    CHECK(within(1s, [&] { return control.books->summary()->dataplane_up; }));
    control.books->look_now();
    CHECK(control.books->summary()->dataplanes_seen == 4);
}

TEST_CASE("control that restarts finds its policy in force and publishes nothing") {
    const TempFolder folder;
    FakeDataplane dataplane(folder.path() / "dp.sock");
    const auto policy = make_policy(pool_text("100.64.0.0/24"));
    {
        Control control(folder.path());
        REQUIRE(control.publisher->apply(policy));
    }
    add_dropped(dataplane.counters().slot(0, 3), 0, {7, 0, 420});
    Control control(folder.path());
    const auto outcome = control.publisher->apply(policy);
    REQUIRE(outcome);
    CHECK(outcome.value().state == ApplyState::unchanged);
    CHECK(outcome.value().generation == Generation{1});
    CHECK(dataplane.images().size() == 1);
    control.books->look_now();
    const auto summary = control.books->summary();
    CHECK(summary->policy->generation == Generation{1});
    // The image says that the slots are ours, so what they hold is known.
    REQUIRE(summary->top.size() == 1);
    CHECK(summary->top[0].name == "100.64.0.2");

    const auto next = control.publisher->apply(make_policy(pool_text("100.64.0.0/25")));
    REQUIRE(next);
    CHECK(next.value().generation == Generation{2});
}

TEST_CASE("a policy that the dataplane refuses changes nothing") {
    const TempFolder folder;
    auto dataplane = std::make_unique<FakeDataplane>(folder.path() / "dp.sock");
    Control control(folder.path());
    REQUIRE(control.publisher->apply(make_policy(pool_text("100.64.0.0/24"))));
    dataplane->answer_with(PublishStatus::too_many_slots, "2 of 1 slots");
    const auto refused = control.publisher->apply(make_policy(pool_text("100.64.0.0/16")));
    REQUIRE(!refused);
    CHECK(
        to_string(refused.errors())
        == "the dataplane refused the policy: too-many-slots: 2 of 1 slots (policy generation 1 "
           "stays "
           "in force)\n"
    );
    CHECK(control.failures("too-many-slots") == 1);
    control.books->look_now();
    CHECK(control.books->summary()->policy->policy->pools[0].prefix.length == 24);

    SECTION("its slots are not kept: the next policy is as small as before") {
        dataplane->answer_with(PublishStatus::effective);
        REQUIRE(control.publisher->apply(make_policy(pool_text("100.64.0.0/24", "free"))));
        ImageHeader header;
        std::memcpy(&header, dataplane->images().back().bytes.data(), sizeof(header));
        CHECK(header.slot_count == 257);
    }
    SECTION("after a restart the one before is published, not the refused one") {
        const std::uint64_t good = checksum_of(dataplane->images()[0]);
        dataplane.reset();
        FakeDataplane::Options options;
        options.instance = 2;
        dataplane = std::make_unique<FakeDataplane>(folder.path() / "dp.sock", options);
        REQUIRE(within(2s, [&] { return dataplane->images().size() == 1; }));
        CHECK(checksum_of(dataplane->images()[0]) == good);
    }
}

TEST_CASE("a policy that waited and is refused leaves the place to the one before") {
    const TempFolder folder;
    auto dataplane = std::make_unique<FakeDataplane>(folder.path() / "dp.sock");
    Control control(folder.path());
    REQUIRE(control.publisher->apply(make_policy(pool_text("100.64.0.0/24"))));
    const std::uint64_t good = checksum_of(dataplane->images()[0]);
    dataplane.reset();
    REQUIRE(control.connected(false));
    const auto waiting = control.publisher->apply(make_policy(pool_text("100.64.0.0/16")));
    REQUIRE(waiting);
    CHECK(waiting.value().state == ApplyState::waiting);
    FakeDataplane::Options options;
    options.instance = 2;
    options.refuse_first = 1;
    dataplane = std::make_unique<FakeDataplane>(folder.path() / "dp.sock", options);
    REQUIRE(within(2s, [&] { return dataplane->images().size() == 2; }));
    CHECK(checksum_of(dataplane->images()[1]) == good);
    CHECK(within(2s, [&] { return !control.publisher->status().waiting; }));
}

TEST_CASE("a dataplane with a higher generation than ours gets one above") {
    const TempFolder folder;
    FakeDataplane dataplane(folder.path() / "dp.sock");
    Control control(folder.path());
    REQUIRE(control.publisher->apply(make_policy(pool_text("192.0.2.0/24"))));
    dataplane.counters().header().generation = 41;  // somebody else has published meanwhile
    const auto outcome = control.publisher->apply(make_policy(pool_text("100.64.0.0/24")));
    REQUIRE(outcome);
    CHECK(outcome.value().generation == Generation{42});
}

TEST_CASE("when nobody answers, the next connection tells whether the policy is in force") {
    const TempFolder folder;
    FakeDataplane::Options hanging;
    hanging.answer_publish = false;
    auto dataplane = std::make_unique<FakeDataplane>(folder.path() / "dp.sock", hanging);
    Control control(folder.path());
    const auto start = Clock::now();
    const auto outcome = control.publisher->apply(make_policy(pool_text("100.64.0.0/24")));
    CHECK(Clock::now() - start < 3s);
    REQUIRE(!outcome);
    CHECK_THAT(to_string(outcome.errors()), Catch::Contains("did not answer within 500 ms"));
    CHECK(control.failures("unanswered") >= 1);
    dataplane.reset();
    dataplane = std::make_unique<FakeDataplane>(folder.path() / "dp.sock");
    CHECK(within(2s, [&] { return dataplane->images().size() == 1; }));
}

TEST_CASE("an exemption that expires is taken out at its time") {
    const TempFolder folder;
    const FakeDataplane dataplane(folder.path() / "dp.sock");
    Control control(folder.path());
    const UnixSeconds end = unix_now() + 2;
    auto policy = std::make_shared<Policy>(*make_policy(pool_text("100.64.0.0/24")));
    ExemptionTerms terms;
    terms.rules = {RuleIndex{0}};
    const auto always = std::make_shared<const ExemptionTerms>(terms);
    terms.expires = end;
    const auto until_end = std::make_shared<const ExemptionTerms>(terms);
    policy->exemptions.push_back({*parse_prefix("100.64.0.9"), until_end});
    policy->exemptions.push_back({*parse_prefix("100.64.0.10"), always});
    REQUIRE(control.publisher->apply(policy));
    control.books->look_now();
    CHECK(control.books->summary()->policy->exemptions_in_force == 2);
    REQUIRE(within(5s, [&] { return dataplane.images().size() == 2; }));
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    CHECK(now >= std::chrono::seconds(end));
    CHECK(now < std::chrono::seconds(end) + 500ms);
    CHECK(within(1s, [&] { return control.books->summary()->policy->exemptions_in_force == 1; }));
}

TEST_CASE("the slot layout outlives control, so that slots keep their subscribers") {
    const TempFolder folder;
    const FakeDataplane dataplane(folder.path() / "dp.sock");
    {
        Control control(folder.path(), true);
        REQUIRE(control.publisher->apply(make_policy(pool_text("192.0.2.0/24"))));
        REQUIRE(control.publisher->apply(make_policy(pool_text("100.64.0.0/24"))));
    }
    Control control(folder.path(), true);
    REQUIRE(control.publisher->apply(make_policy(pool_text("100.64.0.0/24"))));
    control.books->look_now();
    CHECK(control.books->summary()->policy->slot_count == 513);
    CHECK(dataplane.images().size() == 2);  // the same image: nothing to publish
}

TEST_CASE("a policy file is read when asked for, and a broken one is refused whole") {
    const TempFolder folder;
    const auto path = folder.path() / "policy.toml";
    std::ofstream(path) << policy_text(pool_text("100.64.0.0/24"));
    PolicySource source(path);
    CHECK(source.changed_since_read());  // it was never read
    const auto good = source.read();
    REQUIRE(good);
    CHECK(good.value().policy.pools.size() == 1);
    CHECK_FALSE(source.changed_since_read());

    std::ofstream(path) << policy_text(pool_text("100.64.0.0/24") + "nonsense = 1\n");
    CHECK(source.changed_since_read());
    const auto broken = source.read();
    REQUIRE(!broken);
    CHECK_THAT(to_string(broken.errors()), Catch::Contains("policy.toml:13:1"));
    CHECK_FALSE(source.changed_since_read());
    std::filesystem::remove(path);
    CHECK(source.changed_since_read());
    CHECK_FALSE(source.read());
}
