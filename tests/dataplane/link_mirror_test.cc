// Two links as one cable: what is taken down, what is let up, and that it comes to rest.
#include "dataplane/link_mirror.h"

#include <catch2/catch.hpp>

#include <array>
#include <chrono>
#include <optional>

using namespace portcullis::dataplane;
using namespace std::chrono_literals;

namespace {

// Two cables with slow ends, looked at every 200 ms of a clock that the test turns.
class Wire {
public:
    std::array<bool, 2> cable = {true, true};
    std::array<bool, 2> ours_up = {true, true};
    unsigned changes = 0;

    // A link needs `slowness` to come up once cable and our end are there.
    explicit Wire(std::chrono::milliseconds slowness)
        : slowness_(slowness)
        , since_{now_, now_} {}

    void run(std::chrono::milliseconds time) {
        for (const auto end = now_ + time; now_ < end; now_ += 200ms) {
            std::array<bool, 2> link{};
            for (const std::size_t side : {0U, 1U}) {
                const bool possible = cable[side] && ours_up[side];
                since_[side] = possible ? since_[side] : now_ + 200ms;
                link[side] = possible && now_ - since_[side] >= slowness_;
            }
            const std::optional<LinkMirror::Change> change = mirror_.look(link, now_);
            if (change.has_value()) {
                REQUIRE(ours_up[change->side] != change->up);
                ours_up[change->side] = change->up;
                ++changes;
            }
            has_link = link;
        }
    }

    std::array<bool, 2> has_link{};

private:
    std::chrono::milliseconds slowness_;
    LinkMirror::Time now_{1h};
    std::array<LinkMirror::Time, 2> since_;
    LinkMirror mirror_{now_};
};

using Both = std::array<bool, 2>;

}  // namespace

TEST_CASE("links that are slow to come up are not taken down at the start") {
    Wire wire(4s);
    wire.run(60s);
    CHECK(wire.changes == 0);
    CHECK(wire.has_link == Both{true, true});
}

TEST_CASE("a lost link takes the other side down at once, and lets it up when it is back") {
    for (const std::size_t side : {0U, 1U}) {
        Wire wire(2s);
        wire.run(10s);
        wire.cable[side] = false;
        wire.run(400ms);
        CHECK(wire.ours_up[side]);
        CHECK_FALSE(wire.ours_up[1 - side]);
        wire.run(60s);
        CHECK(wire.changes == 1);
        wire.cable[side] = true;
        wire.run(60s);
        CHECK(wire.ours_up == Both{true, true});
        CHECK(wire.has_link == Both{true, true});
        CHECK(wire.changes == 2);
    }
}

TEST_CASE("two sides without links come to rest, and come up whichever is first") {
    Wire wire(3s);
    wire.run(20s);
    wire.cable = {false, false};
    wire.run(60s);
    CHECK(wire.changes == 1);
    // The side that was not taken down gets its cable, and only then the other one's silence counts.
    const std::size_t first = wire.ours_up[0] ? 0 : 1;
    wire.cable[first] = true;
    wire.run(60s);
    CHECK_FALSE(wire.ours_up[first]);
    CHECK(wire.ours_up[1 - first]);
    CHECK(wire.changes == 3);
    wire.cable[1 - first] = true;
    wire.run(60s);
    CHECK(wire.ours_up == Both{true, true});
    CHECK(wire.has_link == Both{true, true});
    CHECK(wire.changes == 4);
}

TEST_CASE("a side that never had a link counts after some seconds") {
    Wire wire(1s);
    wire.cable[1] = false;
    wire.run(9s);
    CHECK(wire.changes == 0);
    wire.run(5s);
    CHECK(wire.changes == 1);
    CHECK_FALSE(wire.ours_up[0]);
}
