// Changes of the policy: whole or not at all, back by themselves, and the last confirmed one after any death.
#include "control/change_desk.h"

#include "control/layout_store.h"
#include "tests/control/fake_dataplane.h"
#include "tests/control/full_disk.h"
#include "tests/control/policies.h"

#include <catch2/catch.hpp>

#include <nlohmann/json.hpp>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <future>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

using namespace portcullis;
using namespace std::chrono_literals;
using nlohmann::json;
using portcullis::test::FakeDataplane;
using portcullis::test::FullDisk;
using portcullis::test::policy_text;
using portcullis::test::pool_text;
using portcullis::test::TempFolder;

namespace {

namespace fs = std::filesystem;

const Operator kAnn{"ann", 1'000};
const Operator kBob{"bob", 1'001};

// A policy with one pool, by which it is told from others.
PolicyBundle bundle_of(const std::string& pool) {
    return {"/etc/portcullis/policy.toml", policy_text(pool_text(pool)), {}};
}

ChangeRequest request_of(PolicyBundle bundle, const Operator& who = kAnn) {
    ChangeRequest out;
    out.bundle = std::move(bundle);
    out.who = who;
    return out;
}

bool within(std::chrono::milliseconds limit, const std::function<bool()>& holds) {
    const auto end = std::chrono::steady_clock::now() + limit;
    while (!holds()) {
        if (std::chrono::steady_clock::now() > end) {
            return false;
        }
        std::this_thread::sleep_for(5ms);
    }
    return true;
}

// Control without its HTTP servers; it ends as if it had died, for nothing is written at its end.
struct Desk {
    explicit Desk(
        const fs::path& folder,
        const std::string& first_pool = "100.64.0.0/24",
        ChangeDeskOptions options = {},
        bool keeps_state = true
    ) {
        Errors problem;
        LayoutStore layout({}, problem);
        books.emplace(BookkeeperOptions{}, problem);
        PublisherOptions publisher_options;
        publisher_options.socket = folder / "dp.sock";
        publisher.emplace(publisher_options, std::move(layout), *books);
        options.state_folder = keeps_state ? folder / "state" : fs::path();
        options.look_every = 20ms;
        if (keeps_state) {
            fs::create_directories(options.state_folder);
        }
        desk.emplace(options, *publisher, problems);
        const auto loaded = desk->load([&]() -> Result<BundledPolicy> {
            PolicyBundle bundle = bundle_of(first_pool);
            Policy policy = parse_bundle(bundle).value();
            return BundledPolicy{std::move(bundle), std::move(policy)};
        });
        REQUIRE(loaded);
        begun = desk->begin().has_value();
    }

    // The pool of the policy in force.
    [[nodiscard]] std::string pool() {
        books->look_now();
        const auto summary = books->summary();
        return summary->policy ? to_string(summary->policy->policy->pools.at(0).prefix) : "none";
    }

    [[nodiscard]] ChangeOutcome done(ChangeRequest request) {
        ChangeAnswer answer = desk->apply(std::move(request));
        if (const auto* const refused = std::get_if<ChangeRefusal>(&answer)) {
            FAIL(to_string(refused->errors));
        }
        return std::get<ChangeOutcome>(std::move(answer));
    }

    [[nodiscard]] ChangeRefusal refused(ChangeRequest request) {
        ChangeAnswer answer = desk->apply(std::move(request));
        REQUIRE(std::holds_alternative<ChangeRefusal>(answer));
        return std::get<ChangeRefusal>(std::move(answer));
    }

    [[nodiscard]] ChangeState state_of(std::uint64_t number) const {
        const std::shared_ptr<const DeskView> view = desk->view();
        for (const ChangeRecord& change : view->changes) {
            if (change.number == number) {
                return change.state;
            }
        }
        FAIL("no change " << number);
        return ChangeState::pending;
    }

    Errors problems;
    std::optional<Bookkeeper> books;
    std::optional<Publisher> publisher;
    std::optional<ChangeDesk> desk;
    bool begun = false;
};

std::vector<json> audit_of(const fs::path& folder) {
    std::ifstream file(folder / "state" / "audit.log");
    std::vector<json> out;
    for (std::string line; std::getline(file, line);) {
        out.push_back(json::parse(line));
    }
    return out;
}

}  // namespace

TEST_CASE("a change is applied, told, and applied again changes nothing") {
    const TempFolder folder;
    const FakeDataplane dataplane(folder.path() / "dp.sock");
    Desk control(folder.path());
    REQUIRE(control.begun);
    CHECK(control.pool() == "100.64.0.0/24");

    ChangeRequest request = request_of(bundle_of("100.64.1.0/24"));
    request.comment = "ticket 4711";
    const ChangeOutcome outcome = control.done(request);
    CHECK(outcome.state == ApplyState::effective);
    CHECK(outcome.change.number == 2);
    CHECK(outcome.change.state == ChangeState::confirmed);
    CHECK(outcome.change.generation == Generation{2});
    CHECK(outcome.change.diff.added == 1);
    CHECK(outcome.change.diff.removed == 1);
    CHECK(outcome.change.previous == 1);
    CHECK(control.pool() == "100.64.1.0/24");
    CHECK(control.state_of(1) == ChangeState::superseded);

    const ChangeOutcome again = control.done(request_of(bundle_of("100.64.1.0/24"), kBob));
    CHECK(again.state == ApplyState::unchanged);
    CHECK(again.change.number == 2);
    CHECK(control.desk->view()->changes.size() == 2);
    CHECK(dataplane.images().size() == 2);

    const std::vector<json> audit = audit_of(folder.path());
    REQUIRE(audit.size() == 2);
    CHECK(audit[0]["event"] == "start");
    CHECK(audit[1]["event"] == "apply");
    CHECK(audit[1]["user"] == "ann");
    CHECK(audit[1]["uid"] == 1'000);
    CHECK(audit[1]["comment"] == "ticket 4711");
    CHECK(audit[1]["change"] == 2);
    CHECK(audit[1].value("generation", 0) == 2);
}

TEST_CASE("a dry run says what would differ, and does nothing") {
    const TempFolder folder;
    const FakeDataplane dataplane(folder.path() / "dp.sock");
    Desk control(folder.path());
    ChangeRequest request = request_of(bundle_of("100.64.1.0/24"));
    request.dry_run = true;
    const ChangeOutcome outcome = control.done(request);
    CHECK(outcome.change.diff.total() == 2);
    CHECK(outcome.change.previous == 1);
    CHECK(control.pool() == "100.64.0.0/24");
    CHECK(control.desk->view()->changes.size() == 1);
}

TEST_CASE("a policy with errors is refused whole, with every place") {
    const TempFolder folder;
    const FakeDataplane dataplane(folder.path() / "dp.sock");
    Desk control(folder.path());
    PolicyBundle broken = bundle_of("100.64.1.0/24");
    broken.text += "nonsense = 1\n[smarthosts]\nfiles = [\"missing.list\"]\n";
    const ChangeRefusal refused = control.refused(request_of(broken));
    CHECK(refused.kind == RefusalKind::invalid);
    CHECK(refused.errors.size() == 2);
    CHECK_THAT(to_string(refused.errors), Catch::Contains("/etc/portcullis/policy.toml:13:1"));
    CHECK(control.pool() == "100.64.0.0/24");
    CHECK(control.desk->view()->changes.size() == 1);
    CHECK(control.publisher->status().failures[kFailureInvalid] == 1);
}

TEST_CASE("of two operators one wins, and the other is told") {
    const TempFolder folder;
    const FakeDataplane dataplane(folder.path() / "dp.sock");
    Desk control(folder.path());
    ChangeRequest ann = request_of(bundle_of("100.64.1.0/24"), kAnn);
    ChangeRequest bob = request_of(bundle_of("100.64.2.0/24"), kBob);
    SECTION("by the change that they saw") {
        ann.if_change = 1;
        bob.if_change = 1;
    }
    SECTION("by the generation that they saw") {
        ann.if_generation = 1;
        bob.if_generation = 1;
    }
    CHECK(control.done(ann).state == ApplyState::effective);
    const ChangeRefusal refused = control.refused(bob);
    CHECK(refused.kind == RefusalKind::conflict);
    CHECK_THAT(to_string(refused.errors), Catch::Contains("change 2 by ann"));
    CHECK(control.pool() == "100.64.1.0/24");
}

TEST_CASE("many operators at once: as many win as changes are made") {
    const TempFolder folder;
    const FakeDataplane dataplane(folder.path() / "dp.sock");
    Desk control(folder.path());
    std::vector<std::future<bool>> operators;
    for (unsigned i = 1; i <= 8; ++i) {
        operators.push_back(std::async(std::launch::async, [&control, i] {
            ChangeRequest request = request_of(bundle_of("100.64." + std::to_string(i) + ".0/24"));
            request.if_change = 1;
            return std::holds_alternative<ChangeOutcome>(control.desk->apply(std::move(request)));
        }));
    }
    unsigned won = 0;
    for (auto& one : operators) {
        won += one.get() ? 1U : 0U;
    }
    CHECK(won == 1);
    CHECK(control.desk->view()->changes.size() == 2);
}

TEST_CASE("a change that is not confirmed in time goes back by itself") {
    const TempFolder folder;
    const FakeDataplane dataplane(folder.path() / "dp.sock");
    Desk control(folder.path());
    ChangeRequest request = request_of(bundle_of("100.64.1.0/24"));
    request.confirm_within = 300ms;
    const ChangeOutcome outcome = control.done(request);
    CHECK(outcome.change.state == ChangeState::pending);
    REQUIRE(outcome.confirm_within);
    CHECK(*outcome.confirm_within <= 300ms);
    CHECK(control.pool() == "100.64.1.0/24");
    CHECK(within(20s, [&] { return control.state_of(2) == ChangeState::reverted; }));
    CHECK(control.pool() == "100.64.0.0/24");
    CHECK(control.desk->view()->current == 1);
    CHECK_FALSE(control.desk->view()->confirm_until);
    CHECK(control.state_of(1) == ChangeState::confirmed);
    const ChangeAnswer late = control.desk->confirm(kAnn, std::nullopt);
    REQUIRE(std::holds_alternative<ChangeRefusal>(late));
    CHECK_THAT(
        to_string(std::get<ChangeRefusal>(late).errors),
        Catch::Contains("was taken back by the end of its time")
    );
    CHECK(audit_of(folder.path()).back()["event"] == "revert");
}

TEST_CASE("while a change waits: confirm keeps it, rollback takes it back, another is refused") {
    const TempFolder folder;
    const FakeDataplane dataplane(folder.path() / "dp.sock");
    Desk control(folder.path());
    ChangeRequest request = request_of(bundle_of("100.64.1.0/24"));
    request.confirm_within = 10min;
    CHECK(control.done(request).change.number == 2);
    const ChangeRefusal other = control.refused(request_of(bundle_of("100.64.2.0/24"), kBob));
    CHECK(other.kind == RefusalKind::conflict);
    CHECK_THAT(to_string(other.errors), Catch::Contains("waits for its confirmation"));
    const ChangeOutcome same = control.done(request);
    CHECK(same.state == ApplyState::unchanged);
    CHECK(same.confirm_within);
    CHECK(std::holds_alternative<ChangeRefusal>(control.desk->confirm(kBob, 7)));

    SECTION("confirmed") {
        const ChangeAnswer confirmed = control.desk->confirm(kBob, 2);
        REQUIRE(std::holds_alternative<ChangeOutcome>(confirmed));
        CHECK(control.state_of(2) == ChangeState::confirmed);
        CHECK(control.state_of(1) == ChangeState::superseded);
        CHECK_FALSE(control.desk->view()->confirm_until);
        CHECK(control.pool() == "100.64.1.0/24");
        CHECK(audit_of(folder.path()).back()["user"] == "bob");
    }
    SECTION("taken back") {
        const ChangeAnswer back = control.desk->roll_back(kBob, std::nullopt, "");
        REQUIRE(std::holds_alternative<ChangeOutcome>(back));
        CHECK(control.state_of(2) == ChangeState::reverted);
        CHECK(control.pool() == "100.64.0.0/24");
    }
    SECTION("control dies") {
        control.desk.reset();
        control.publisher.reset();
        Desk again(folder.path(), "100.64.9.0/24");
        CHECK(again.pool() == "100.64.0.0/24");
        CHECK(again.state_of(2) == ChangeState::reverted);
        CHECK(audit_of(folder.path()).back()["event"] == "revert");
    }
}

TEST_CASE("rollback goes to the change before, or to any that is kept") {
    const TempFolder folder;
    const FakeDataplane dataplane(folder.path() / "dp.sock");
    const bool keeps_state = GENERATE(true, false);
    ChangeDeskOptions options;
    options.limits.changes = 4;
    Desk control(folder.path(), "100.64.0.0/24", options, keeps_state);
    static_cast<void>(control.done(request_of(bundle_of("100.64.1.0/24"))));
    static_cast<void>(control.done(request_of(bundle_of("100.64.2.0/24"))));
    REQUIRE(std::holds_alternative<ChangeOutcome>(control.desk->roll_back(kAnn, std::nullopt, "")));
    CHECK(control.pool() == "100.64.1.0/24");
    REQUIRE(std::holds_alternative<ChangeOutcome>(control.desk->roll_back(kAnn, 1, "why not")));
    CHECK(control.pool() == "100.64.0.0/24");
    const auto view = control.desk->view();
    REQUIRE(view->changes.size() == 4);  // of five
    CHECK(view->changes.back().number == 5);
    CHECK(view->changes.back().kind == ChangeKind::rollback);
    CHECK(view->changes.back().rollback_of == 1);
    CHECK(view->changes.back().comment == "why not");
    const ChangeAnswer gone = control.desk->roll_back(kAnn, 1, "");
    REQUIRE(std::holds_alternative<ChangeRefusal>(gone));
    CHECK(std::get<ChangeRefusal>(gone).kind == RefusalKind::nothing);
    CHECK(control.pool() == "100.64.0.0/24");
}

TEST_CASE("what the dataplane refuses is not made, and the policy before goes on") {
    const TempFolder folder;
    FakeDataplane dataplane(folder.path() / "dp.sock");
    Desk control(folder.path());
    dataplane.answer_with(PublishStatus::too_many_slots, "256 of 2 slots");
    const ChangeRefusal refused = control.refused(request_of(bundle_of("100.64.1.0/24")));
    CHECK(refused.kind == RefusalKind::dataplane);
    CHECK_THAT(to_string(refused.errors), Catch::Contains("256 of 2 slots"));
    CHECK(control.pool() == "100.64.0.0/24");
    CHECK(control.desk->view()->changes.size() == 1);
    CHECK(control.desk->view()->current == 1);
    dataplane.answer_with(PublishStatus::effective);
    CHECK(control.done(request_of(bundle_of("100.64.1.0/24"))).change.number == 3);
}

TEST_CASE("without a dataplane a change waits for one, and a restart knows it") {
    const TempFolder folder;
    {
        Desk control(folder.path());
        CHECK(control.done(request_of(bundle_of("100.64.1.0/24"))).state == ApplyState::waiting);
    }
    Desk again(folder.path(), "100.64.9.0/24");
    const FakeDataplane dataplane(folder.path() / "dp.sock");
    REQUIRE(within(20s, [&] { return !dataplane.images().empty(); }));
    CHECK(within(20s, [&] { return again.pool() == "100.64.1.0/24"; }));
}

TEST_CASE("a full disk refuses the change whole") {
    const TempFolder folder;
    const FakeDataplane dataplane(folder.path() / "dp.sock");
    Desk control(folder.path());
    {
        const FullDisk full(10);
        const ChangeRefusal refused = control.refused(request_of(bundle_of("100.64.1.0/24")));
        CHECK(refused.kind == RefusalKind::storage);
        CHECK_THAT(to_string(refused.errors), Catch::Contains("so it was not made"));
        CHECK_THAT(to_string(refused.errors), Catch::Contains("make room"));
        CHECK(control.pool() == "100.64.0.0/24");
    }
    CHECK(control.done(request_of(bundle_of("100.64.1.0/24"))).state == ApplyState::effective);
    ChangeRequest pending = request_of(bundle_of("100.64.2.0/24"));
    pending.confirm_within = 10min;
    static_cast<void>(control.done(pending));
    {
        const FullDisk full(10);
        // Not confirmed, so that a restart finds what runs: the policy before.
        const ChangeAnswer refused = control.desk->confirm(kAnn, std::nullopt);
        REQUIRE(std::holds_alternative<ChangeRefusal>(refused));
        CHECK(std::get<ChangeRefusal>(refused).kind == RefusalKind::storage);
        CHECK(control.desk->view()->confirm_until);
    }
    CHECK(std::holds_alternative<ChangeOutcome>(control.desk->confirm(kAnn, std::nullopt)));
    CHECK(control.pool() == "100.64.2.0/24");
}

TEST_CASE("a disk that is full for the audit log alone takes the change back") {
    const TempFolder folder;
    const FakeDataplane dataplane(folder.path() / "dp.sock");
    Desk control(folder.path());
    fs::remove(folder.path() / "state" / "audit.log");
    fs::create_directory(folder.path() / "state" / "audit.log");
    const ChangeRefusal refused = control.refused(request_of(bundle_of("100.64.1.0/24")));
    CHECK(refused.kind == RefusalKind::storage);
    CHECK(control.pool() == "100.64.0.0/24");
    CHECK(control.desk->view()->changes.size() == 1);
    Desk again(folder.path(), "100.64.9.0/24");
    CHECK(again.pool() == "100.64.0.0/24");
}

TEST_CASE("whenever control dies within a change, the policy of the last confirmation comes back") {
    const TempFolder folder;
    // The state folder as it was after each step: what a crash would have left.
    std::vector<std::pair<std::string, fs::path>> crashes;
    ChangeDeskOptions options;
    options.after_step = [&](std::string_view step) {
        const fs::path copy = folder.path() / ("crash-" + std::to_string(crashes.size()));
        fs::create_directories(copy);
        fs::copy(folder.path() / "state", copy / "state", fs::copy_options::recursive);
        crashes.emplace_back(step, copy);
    };
    const FakeDataplane dataplane(folder.path() / "dp.sock");
    Desk control(folder.path(), "100.64.0.0/24", options);
    crashes.clear();
    ChangeRequest request = request_of(bundle_of("100.64.1.0/24"));
    request.confirm_within = 10min;
    static_cast<void>(control.done(request));
    const std::size_t before_confirmation = crashes.size();
    REQUIRE(std::holds_alternative<ChangeOutcome>(control.desk->confirm(kAnn, std::nullopt)));
    REQUIRE(before_confirmation == 4);
    REQUIRE(crashes.size() == 5);
    control.desk.reset();
    for (std::size_t i = 0; i < crashes.size(); ++i) {
        INFO("after: " << crashes[i].first);
        const fs::path& left = crashes[i].second;
        // As if it had died while it wrote the next file: before its rename.
        std::ofstream(left / "state" / "history.state.new") << "half a history";
        std::ofstream(left / "state" / "audit.log", std::ios::app) << "{\"half a line";
        Desk again(left, "100.64.9.0/24");
        const bool confirmed = i >= before_confirmation;
        CHECK(again.pool() == (confirmed ? "100.64.1.0/24" : "100.64.0.0/24"));
        CHECK(again.problems.empty());
        // And goes on from there.
        CHECK(again.done(request_of(bundle_of("100.64.7.0/24"))).state != ApplyState::unchanged);
        // It may wait for its connection first.
        CHECK(within(20s, [&] { return again.pool() == "100.64.7.0/24"; }));
    }
}

TEST_CASE("a history that is damaged is moved aside, and a policy that is damaged is left out") {
    const TempFolder folder;
    const FakeDataplane dataplane(folder.path() / "dp.sock");
    std::string newest;
    {
        Desk control(folder.path());
        newest = control.done(request_of(bundle_of("100.64.1.0/24"))).change.bundle;
    }
    SECTION("the policy") {
        const fs::path file = folder.path() / "state" / "policies" / (newest + ".policy");
        REQUIRE(fs::exists(file));
        fs::resize_file(file, fs::file_size(file) - 1);
        Desk again(folder.path(), "100.64.9.0/24");
        CHECK(again.pool() == "100.64.0.0/24");  // confirmed before
    }
    SECTION("the history") {
        const fs::path file = folder.path() / "state" / "history.state";
        fs::resize_file(file, fs::file_size(file) - 1);
        Desk again(folder.path(), "100.64.9.0/24");
        CHECK(again.pool() == "100.64.9.0/24");
        REQUIRE(again.problems.size() == 1);
        CHECK_THAT(to_string(again.problems), Catch::Contains("the history begins anew"));
        CHECK(fs::exists(folder.path() / "state" / "history.broken"));
    }
}

TEST_CASE("the history keeps what is in force, however small it is") {
    const TempFolder folder;
    const FakeDataplane dataplane(folder.path() / "dp.sock");
    ChangeDeskOptions options;
    options.limits.bytes = 1;
    Desk control(folder.path(), "100.64.0.0/24", options);
    for (unsigned i = 1; i < 5; ++i) {
        static_cast<void>(control.done(request_of(bundle_of("100.64." + std::to_string(i) + ".0/24")
        )));
    }
    CHECK(control.desk->view()->changes.size() == 1);
    const auto files = fs::directory_iterator(folder.path() / "state" / "policies");
    CHECK(std::distance(fs::begin(files), fs::end(files)) == 1);
    CHECK(control.desk->view()->changes[0].number == 5);
}

namespace {

void write_file(const fs::path& path, const std::string& text) {
    std::ofstream(path, std::ios::trunc) << text;
}

// A policy whose smarthosts stand in a list of `folder`.
PolicyBundle bundle_with_list(const fs::path& folder) {
    const fs::path policy = folder / "policy.toml";
    write_file(
        policy,
        policy_text(pool_text("100.64.0.0/24")) + "[smarthosts]\nfiles = [\"smarthosts.list\"]\n"
    );
    return read_bundle(policy).value().bundle;
}

}  // namespace

TEST_CASE("list files are watched, and taken whole or not at all") {
    const TempFolder folder;
    const FakeDataplane dataplane(folder.path() / "dp.sock");
    const fs::path list = folder.path() / "smarthosts.list";
    write_file(list, "192.0.2.25\n");
    Desk control(folder.path());
    static_cast<void>(control.done(request_of(bundle_with_list(folder.path()))));
    const auto smarthosts = [&] {
        control.books->look_now();
        return control.books->summary()->policy->policy->smarthosts.size();
    };
    CHECK(smarthosts() == 1);
    SECTION("written in place") {
        write_file(list, "192.0.2.25\n192.0.2.26\n");
        CHECK(within(20s, [&] { return smarthosts() == 2; }));
        CHECK(within(20s, [&] { return control.desk->view()->current == 3; }));
        const ChangeRecord last = control.desk->view()->changes.back();
        CHECK(last.kind == ChangeKind::lists);
        CHECK(last.comment == "smarthosts.list was written");
        CHECK(last.diff.added == 1);
    }
    SECTION("replaced, as editors do") {
        fs::rename(list, folder.path() / "smarthosts.list~");
        write_file(folder.path() / "new", "192.0.2.25\n192.0.2.26\n192.0.2.27\n");
        fs::rename(folder.path() / "new", list);
        CHECK(within(20s, [&] { return smarthosts() == 3; }));
    }
    SECTION("in pieces: no half of it is taken") {
        std::ofstream file(list, std::ios::trunc);
        std::size_t most = 0;
        for (unsigned i = 1; i <= 20; ++i) {
            // Every piece ends within a line, which alone would be another address.
            file << "2.26\n192.0.2." << std::flush;
            std::this_thread::sleep_for(5ms);
            most = std::max(most, smarthosts());
        }
        CHECK(most == 1);
        file.close();
        write_file(list, "192.0.2.1\n192.0.2.2\n");
        CHECK(within(20s, [&] { return smarthosts() == 2; }));
    }
    SECTION("broken: reported, and nothing changes") {
        write_file(list, "192.0.2.26\n192.0.2.999\n");
        CHECK(within(20s, [&] { return !control.desk->view()->list_errors.empty(); }));
        CHECK_THAT(
            control.desk->view()->list_errors.at(0), Catch::Contains("smarthosts.list:2:1: ")
        );
        CHECK(smarthosts() == 1);
        const std::uint64_t failures = control.publisher->status().failures[kFailureInvalid];
        CHECK(failures == 1);
        write_file(list, "192.0.2.26\n192.0.2.27\n");
        CHECK(within(20s, [&] { return smarthosts() == 2; }));
        CHECK(within(20s, [&] { return control.desk->view()->list_errors.empty(); }));
    }
    SECTION("gone: reported, and nothing changes") {
        fs::remove(list);
        CHECK(within(20s, [&] { return !control.desk->view()->list_errors.empty(); }));
        CHECK(smarthosts() == 1);
    }
    SECTION("while control was away") {
        control.desk.reset();
        control.publisher.reset();
        write_file(list, "192.0.2.25\n192.0.2.26\n");
        Desk again(folder.path());
        CHECK(within(20s, [&] {
            again.books->look_now();
            return again.books->summary()->policy->policy->smarthosts.size() == 2;
        }));
    }
    SECTION("rolled back: the file does not come back by itself") {
        write_file(list, "192.0.2.25\n192.0.2.26\n");
        REQUIRE(within(20s, [&] { return control.desk->view()->current == 3; }));
        REQUIRE(
            std::holds_alternative<ChangeOutcome>(control.desk->roll_back(kAnn, std::nullopt, ""))
        );
        CHECK(smarthosts() == 1);
        CHECK_FALSE(within(500ms, [&] { return smarthosts() != 1; }));
    }
}
