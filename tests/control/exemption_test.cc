// Exemption objects against fake dataplanes: what is answered is kept and effective, and what is refused is neither.
#include "control/exemption_desk.h"
#include "rules/overlay.h"
#include "rules/utc_time.h"
#include "tests/control/fake_dataplane.h"
#include "tests/control/policies.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <optional>
#include <string>
#include <thread>
#include <variant>
#include <vector>

using namespace portcullis;
using namespace std::chrono_literals;
using portcullis::test::FakeDataplane;
using portcullis::test::make_policy;
using portcullis::test::pool_text;
using portcullis::test::TempFolder;

namespace {

constexpr UnixSeconds kNow = 1'800'000'000;

ExemptionRequest request_for(const char* subscriber, const char* rule = "smtp") {
    ExemptionRequest out;
    out.subscriber = *parse_prefix(subscriber);
    out.rules = {rule};
    out.reason = "own mail server";
    return out;
}

// Control without HTTP, with one policy.
class Control {
public:
    explicit Control(
        const std::filesystem::path& folder,
        std::chrono::milliseconds look_every = 50ms
    )
        : folder_(folder) {
        Errors problems;
        LayoutStore layout(folder, problems);
        BookkeeperOptions book_options;
        book_options.state_folder = folder;
        book_options.layout_id = layout.id();
        books.emplace(book_options, problems);
        PublisherOptions options;
        options.socket = folder / "dp.sock";
        options.connect_timeout = 500ms;
        options.publish_timeout = 5'000ms;
        publisher.emplace(options, std::move(layout), *books);
        ExemptionDeskOptions desk_options;
        desk_options.state_folder = folder;
        desk_options.look_every = look_every;
        desk.emplace(desk_options, *publisher, *books, problems);
        REQUIRE(problems.empty());
    }

    [[nodiscard]] ExemptionAnswer add(const ExemptionRequest& request) {
        return desk->add(request, "root", 0);
    }

    std::filesystem::path folder_;
    std::optional<Bookkeeper> books;
    std::optional<Publisher> publisher;
    std::optional<ExemptionDesk> desk;
};

// What an overlay says about a subscriber and the first rule.
std::optional<OverlayPlace> place_in(std::vector<std::byte> overlay, const char* subscriber) {
    if (overlay.empty()) {
        return std::nullopt;
    }
    ImageBytes aligned(overlay.size());
    std::memcpy(aligned.bytes().data(), overlay.data(), overlay.size());
    OverlayHeader header;
    std::memcpy(&header, overlay.data(), sizeof(header));
    const auto view = validate_overlay(aligned.bytes(), header.rule_count);
    REQUIRE(view.has_value());
    const Address address = parse_prefix(subscriber)->address;
    return overlay_place(view.value(), address.family, words_of(address), 0);
}

ApplyState state_of(const ExemptionAnswer& answer) {
    REQUIRE(std::holds_alternative<ExemptionChange>(answer));
    return std::get<ExemptionChange>(answer).state;
}

ExemptionRefusal refusal_of(const ExemptionAnswer& answer) {
    REQUIRE(std::holds_alternative<ExemptionFailure>(answer));
    return std::get<ExemptionFailure>(answer).kind;
}

}  // namespace

TEST_CASE("times at which an exemption expires") {
    CHECK(parse_expiry("2027-06-30", kNow) == *parse_date("2027-07-01"));
    CHECK(parse_expiry("2027-06-30T12:00:00Z", kNow) == *parse_date("2027-06-30") + 43'200);
    CHECK(parse_expiry("2027-06-30T14:30:05+02:00", kNow) == *parse_date("2027-06-30") + 45'005);
    CHECK(parse_expiry("2027-06-30T10:00:00-02:00", kNow) == *parse_date("2027-06-30") + 43'200);
    CHECK(parse_expiry("90m", kNow) == kNow + 5'400);
    CHECK(parse_expiry("12h", kNow) == kNow + 43'200);
    CHECK(parse_expiry("30d", kNow) == kNow + 30 * kSecondsPerDay);
    for (const char* const wrong :
         {"",
          "d",
          "0d",
          "-1d",
          "30",
          "30w",
          "2027-06-31",
          "2027-06-30T25:00:00Z",
          "2027-06-30T12:00:00",
          "2027-06-30T12:00:60Z",
          "2027-06-30T12:00:00+2:00",
          "soon"}) {
        INFO(wrong);
        CHECK(parse_expiry(wrong, kNow) == std::nullopt);
    }
}

TEST_CASE("bodies that are no exemption are refused, with what is wrong") {
    const auto refused = [](const std::string& body) {
        const auto out = parse_exemption(body, kNow);
        return out ? std::string() : out.errors().front().message;
    };
    const std::string good = R"("subscriber":"100.64.7.9","rules":["smtp"],"reason":"r")";
    CHECK(refused("{" + good + "}").empty());
    CHECK(refused("{" + good + R"(,"expires":"30d","reference":"t","dry_run":true})").empty());
    CHECK(refused("") != "");
    CHECK(refused("[]") != "");
    CHECK(refused("{" + good + R"(,"more":1})") == "there is no member more");
    CHECK(refused("{" + good + R"(,"expires":"2001-01-01"})") == "expires is no time to come");
    CHECK(refused("{" + good + R"(,"dry_run":1})") != "");
    CHECK(
        refused(R"({"subscriber":"100.64.7.9","rules":[],"reason":"r"})") == "rules names no rules"
    );
    CHECK(
        refused(R"({"subscriber":"100.64.7.9","rules":[1],"reason":"r"})") == "rules names no rules"
    );
    CHECK(refused(R"({"subscriber":"100.64.7.9","rules":["smtp"]})") == "reason is missing");
    CHECK(refused(R"({"subscriber":"100.64.7.9/24","rules":["smtp"],"reason":"r"})") != "");
    CHECK(refused(R"({"subscriber":"nobody","rules":["smtp"],"reason":"r"})") != "");
    CHECK(refused(std::string(100'000, '[')) != "");
    CHECK(
        refused(
            R"({"subscriber":"::","rules":["smtp"],"reason":")" + std::string(2'000, 'x') + "\"}"
        )
        != ""
    );
}

TEST_CASE("an exemption is effective when it is answered, kept, and there again after a restart") {
    const TempFolder folder;
    FakeDataplane dataplane(folder.path() / "dp.sock");
    const auto policy = make_policy(pool_text("100.64.0.0/24"));
    {
        Control control(folder.path());
        REQUIRE(control.publisher->apply(policy).value().state == ApplyState::effective);
        CHECK(state_of(control.add(request_for("100.64.0.7"))) == ApplyState::effective);
        REQUIRE(dataplane.amendments().size() == 1);
        CHECK(place_in(dataplane.amendments().back().bytes, "100.64.0.7").has_value());
        CHECK_FALSE(place_in(dataplane.amendments().back().bytes, "100.64.0.8").has_value());
        CHECK(dataplane.images().size() == 1);  // no new image

        // Another policy takes the overlay along.
        const auto other = make_policy(pool_text("100.64.0.0/24") + pool_text("10.0.0.0/24"));
        REQUIRE(control.publisher->apply(other).value().state == ApplyState::effective);
        CHECK(place_in(dataplane.images().back().overlay, "100.64.0.7").has_value());
        REQUIRE(control.publisher->apply(policy).value().state == ApplyState::effective);
    }
    const std::size_t amended = dataplane.amendments().size();
    Control again(folder.path());
    REQUIRE(again.desk->list().size() == 1);
    // Image and overlay run already: nothing is sent.
    CHECK(again.publisher->apply(policy).value().state == ApplyState::unchanged);
    CHECK(dataplane.amendments().size() == amended);
    CHECK(
        state_of(again.desk->remove(*parse_prefix("100.64.0.7"), std::nullopt, "root", 0))
        == ApplyState::effective
    );
    CHECK(dataplane.amendments().back().message.overlay_bytes == 0);
    CHECK(again.desk->list().empty());
}

TEST_CASE("subscribers that were chosen to have one hash are exempted as others are") {
    const TempFolder folder;
    FakeDataplane dataplane(folder.path() / "dp.sock");
    Control control(folder.path());
    REQUIRE(control.publisher->apply(make_policy(pool_text("2001:db8::/32"))).has_value());
    for (std::uint64_t low = 1; low <= 2 * kProbesMax; ++low) {
        // See the same test of prefix_set.h.
        const AddressWords words{(low + 128) * 0x9E37'79B9'7F4A'7C15ULL, low};
        const Prefix chosen = make_prefix(address_of(Family::ipv6, words), 128);
        REQUIRE(
            state_of(control.add(request_for(to_string(chosen).c_str()))) == ApplyState::effective
        );
    }
    CHECK(control.desk->list().size() == 2 * kProbesMax);
}

TEST_CASE("what the dataplane refuses is not kept") {
    const TempFolder folder;
    FakeDataplane dataplane(folder.path() / "dp.sock");
    const auto policy = make_policy(pool_text("100.64.0.0/24"));
    {
        Control control(folder.path());
        REQUIRE(control.publisher->apply(policy).has_value());
        control.books->look_now();  // who knows the policy's rules
        REQUIRE(state_of(control.add(request_for("100.64.0.7"))) == ApplyState::effective);
        dataplane.answer_with(PublishStatus::bad_image, "no");
        CHECK(refusal_of(control.add(request_for("100.64.0.8"))) == ExemptionRefusal::dataplane);
        CHECK(
            refusal_of(control.desk->remove(*parse_prefix("100.64.0.7"), std::nullopt, "root", 0))
            == ExemptionRefusal::dataplane
        );
        CHECK(control.desk->list().size() == 1);
        CHECK(
            refusal_of(control.add(request_for("100.64.0.8", "nonsense")))
            == ExemptionRefusal::unknown_rule
        );
        dataplane.answer_with(PublishStatus::effective);
    }
    Control again(folder.path());
    REQUIRE(again.desk->list().size() == 1);
    CHECK(to_string(again.desk->list()[0].subscriber) == "100.64.0.7");
    CHECK(
        refusal_of(again.desk->remove(*parse_prefix("100.64.0.8"), std::nullopt, "root", 0))
        == ExemptionRefusal::not_there
    );
}

TEST_CASE("what only reads does not wait for a change that a dataplane does not answer") {
    const TempFolder folder;
    FakeDataplane dataplane(folder.path() / "dp.sock");
    Control control(folder.path());
    REQUIRE(control.publisher->apply(make_policy(pool_text("100.64.0.0/24"))).has_value());
    REQUIRE(state_of(control.add(request_for("100.64.0.7"))) == ApplyState::effective);
    dataplane.stop_answering();
    // Not answered within publish_timeout: 5 s.
    std::atomic<bool> refused{false};
    std::thread change([&] {
        const ExemptionAnswer answer = control.add(request_for("100.64.0.8"));
        refused = std::holds_alternative<ExemptionFailure>(answer);
    });
    const auto deadline = std::chrono::steady_clock::now() + 20s;
    while (dataplane.amendments().size() < 2 && std::chrono::steady_clock::now() < deadline) {
        std::this_thread::sleep_for(1ms);
    }
    const auto asked = std::chrono::steady_clock::now();
    CHECK(control.desk->list().size() == 1);
    CHECK(control.desk->overview().objects == 1);
    CHECK(control.desk->covering(parse_prefix("100.64.0.7")->address).size() == 1);
    CHECK(std::chrono::steady_clock::now() - asked < 4s);
    change.join();
    CHECK(refused);
    CHECK(control.desk->list().size() == 1);
}

TEST_CASE("what an ended dataplane counted is on the disk before it is told") {
    const TempFolder folder;
    std::optional<FakeDataplane> dataplane(folder.path() / "dp.sock");
    Control control(folder.path(), 1h);  // nothing but a request looks
    REQUIRE(control.publisher->apply(make_policy(pool_text("100.64.0.0/24"))).has_value());
    REQUIRE(state_of(control.add(request_for("100.64.0.7"))) == ApplyState::effective);
    const OverlayPlace place =
        place_in(dataplane->amendments().back().bytes, "100.64.0.7").value_or(0);
    const auto told = [&] {
        return control.desk->list().front().frames;
    };
    // What a control that starts after a crash of this one would tell.
    const auto kept = [&] {
        ExemptionStore store(folder.path() / "exemptions.state");
        Errors problems;
        return store.load(problems).begin()->second.frames;
    };
    const auto wait_until = [&](bool up) {
        const auto deadline = std::chrono::steady_clock::now() + 20s;
        while (control.books->summary()->dataplane_up != up
               && std::chrono::steady_clock::now() < deadline) {
            std::this_thread::sleep_for(1ms);
        }
        REQUIRE(control.books->summary()->dataplane_up == up);
    };
    wait_until(true);
    dataplane->counters().exemption(1, place).frames.add(3);
    CHECK(told() == 3);
    CHECK(kept() == 0);  // the dataplane has it
    dataplane.reset();
    wait_until(false);
    CHECK(told() == 3);
    CHECK(kept() == 3);

    // The same when nobody asked while there was none.
    FakeDataplane::Options other;
    other.instance = 2;
    dataplane.emplace(folder.path() / "dp.sock", other);
    wait_until(true);
    dataplane->counters().exemption(0, place).frames.add(4);
    CHECK(told() == 7);
    CHECK(kept() == 3);
    dataplane.reset();
    wait_until(false);
    other.instance = 3;
    dataplane.emplace(folder.path() / "dp.sock", other);
    wait_until(true);
    CHECK(told() == 7);
    CHECK(kept() == 7);
}

TEST_CASE("who is exempt, and what is told of all exemptions together") {
    const TempFolder folder;
    FakeDataplane dataplane(folder.path() / "dp.sock");
    Control control(folder.path());
    REQUIRE(control.publisher->apply(make_policy(pool_text("100.64.0.0/24"))).has_value());
    ExemptionRequest soon = request_for("100.64.0.7");
    soon.expires = kNow * 2;
    REQUIRE(state_of(control.add(soon)) == ApplyState::effective);
    REQUIRE(state_of(control.add(request_for("100.64.0.0/29"))) == ApplyState::effective);
    REQUIRE(state_of(control.add(request_for("192.0.2.1"))) == ApplyState::effective);
    const auto covering = [&](const char* address) {
        std::string out;
        for (const ExemptionObject& one : control.desk->covering(parse_prefix(address)->address)) {
            out += to_string(one.subscriber) + " ";
        }
        return out;
    };
    CHECK(covering("100.64.0.7") == "100.64.0.0/29 100.64.0.7 ");
    CHECK(covering("100.64.0.6") == "100.64.0.0/29 ");
    CHECK(covering("100.64.0.8").empty());
    const ExemptionOverview overview = control.desk->overview();
    CHECK(overview.objects == 3);
    CHECK(overview.without_effect == 1);
    CHECK(overview.next_expiry == kNow * 2);
    REQUIRE(
        state_of(control.desk->remove(*parse_prefix("192.0.2.1"), {}, "root", 0))
        == ApplyState::effective
    );
    CHECK(control.desk->overview().without_effect == 0);
}

TEST_CASE("without a dataplane an exemption waits, and comes with the image") {
    const TempFolder folder;
    Control control(folder.path());
    const auto policy = make_policy(pool_text("100.64.0.0/24"));
    REQUIRE(control.publisher->apply(policy).value().state == ApplyState::waiting);
    CHECK(state_of(control.add(request_for("100.64.0.7"))) == ApplyState::waiting);
    FakeDataplane dataplane(folder.path() / "dp.sock");
    const auto deadline = std::chrono::steady_clock::now() + 20s;
    while (dataplane.images().empty() && std::chrono::steady_clock::now() < deadline) {
        std::this_thread::sleep_for(5ms);
    }
    REQUIRE(dataplane.images().size() == 1);
    CHECK(place_in(dataplane.images().back().overlay, "100.64.0.7").has_value());
}

TEST_CASE(
    "a shadow policy needs a running one, gets overlays of its own, and ends with another policy"
) {
    const TempFolder folder;
    Control control(folder.path());
    const auto policy = make_policy(pool_text("100.64.0.0/24"));
    const auto candidate = make_policy(pool_text("100.64.0.0/24") + pool_text("10.0.0.0/24"));
    CHECK_FALSE(control.publisher->begin_shadow(candidate, "new.toml").has_value());
    FakeDataplane dataplane(folder.path() / "dp.sock");
    REQUIRE(control.publisher->apply(policy).value().state == ApplyState::effective);
    REQUIRE(control.publisher->begin_shadow(candidate, "new.toml").has_value());
    CHECK(dataplane.amendments().back().message.shadow == ShadowChange::begin);
    CHECK(control.publisher->shadow()->on);
    CHECK(control.publisher->shadow()->number == 1);
    REQUIRE(state_of(control.add(request_for("100.64.0.7"))) == ApplyState::effective);
    const Amend message = dataplane.amendments().back().message;
    CHECK(message.shadow == ShadowChange::keep);
    CHECK(message.overlay_bytes != 0);
    CHECK(message.shadow_overlay_bytes != 0);
    REQUIRE(control.publisher->apply(candidate).has_value());
    CHECK_FALSE(dataplane.images().back().keep_shadow);
    CHECK_FALSE(control.publisher->shadow()->on);
    CHECK(control.publisher->shadow()->end_reason.find("took its place") != std::string::npos);
    CHECK_FALSE(control.publisher->end_shadow().has_value());
}

TEST_CASE("a set of exemptions keeps whose rule is which, whatever rules come and go") {
    const auto place_in = [](const ExemptionSet& set, const char* subscriber, const char* rule) {
        for (const ExemptionSet::Entry& entry : set.entries) {
            if (entry.subscriber == *parse_prefix(subscriber) && set.rules.at(entry.rule) == rule) {
                return static_cast<int>(entry.place);
            }
        }
        return -1;
    };
    const Prefix one = *parse_prefix("100.64.0.7");
    const Prefix other = *parse_prefix("100.64.0.8");
    ExemptionSet set;
    set.know_rules({"smtp", "netbios-smb", "smtp"});
    set.put(one, "smtp", 1);
    set.put(other, "netbios-smb", 2);
    set.put(other, "smtp", 3);
    set.know_rules({"smtp"});
    set.put(one, "smtp", 4);  // in the place of the first
    CHECK(set.entries.size() == 3);
    set.erase(other, "netbios-smb");
    set.know_rules({"a", "b"});
    CHECK(set.rules == std::vector<std::string>{"a", "b", "smtp"});
    set.put(one, "a", 5);
    set.put(one, "b", 6);
    CHECK(place_in(set, "100.64.0.7", "a") == 5);
    CHECK(place_in(set, "100.64.0.7", "smtp") == 4);
    CHECK(place_in(set, "100.64.0.7", "b") == 6);
    CHECK(place_in(set, "100.64.0.8", "smtp") == 3);
    CHECK(set.entries.size() == 4);
    CHECK(std::is_sorted(set.entries.begin(), set.entries.end(), ExemptionSet::is_before));
}

TEST_CASE("more exemptions than an overlay has places for go into the image") {
    ExemptionSet set;
    set.know_rules({"smtp"});
    for (std::uint32_t i = 0; i <= kOverlayPlaces; ++i) {
        Address address = parse_prefix("10.0.0.0")->address;
        address.bytes[1] = static_cast<std::uint8_t>(i >> 16U);
        address.bytes[2] = static_cast<std::uint8_t>(i >> 8U);
        address.bytes[3] = static_cast<std::uint8_t>(i);
        set.put(make_prefix(address, 32), "smtp", 0);
    }
    const auto policy = make_policy(pool_text("10.0.0.0/15"));
    CHECK(set.is_folded());
    CHECK(overlay_of(set, *policy).value() == nullptr);
    CHECK(
        folded_into(set, *policy).exemptions.size()
        == policy->exemptions.size() + set.entries.size()
    );
    set.entries.pop_back();
    CHECK(overlay_of(set, *policy).value() != nullptr);
}
