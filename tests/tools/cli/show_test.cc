// What `portcullis show` makes of the API's answers. That control gives such answers is tested end to end.
#include "tools/cli/show.h"

#include "tools/cli/temp_dir.h"

#include <catch2/catch.hpp>

namespace portcullis::cli {
namespace {

Json sides(std::uint64_t outbound, std::uint64_t inbound) {
    return {{"outbound", outbound}, {"inbound", inbound}};
}

Json frame_sides(std::uint64_t outbound, std::uint64_t inbound) {
    return {
        {"outbound", {{"frames", outbound}, {"bytes", outbound * 60}}},
        {"inbound", {{"frames", inbound}, {"bytes", inbound * 60}}}};
}

TEST_CASE("subscribers: a line a rule, the name once") {
    const Json answer = Json::parse(R"({
        "subscribers_with_drops": 1234,
        "subscribers": [
            {"subscriber": "100.64.0.9", "first_seen": "2026-01-01T00:00:00Z", "last_seen": "2026-01-02T00:00:00Z",
             "watch": {"behaviour": "spambot", "suspicion": "likely"}, "dropped": [
                {"rule": "smtp", "frames": 12, "bytes": 720, "flows": 11},
                {"rule": "netbios-smb", "frames": 3, "bytes": 180, "flows": 3}]},
            {"subscriber": "evil\u001b[31m", "first_seen": null, "last_seen": null, "watch": null, "dropped": [
                {"rule": "smtp", "frames": 0, "bytes": 0, "flows": 0},
                {"rule": "netbios-smb", "frames": 1, "bytes": 60, "flows": 0}]}]})");
    CHECK(
        show_text("subscribers", answer, {true, false})
        == "subscriber    dropped by   frames  bytes  flows  first seen            last seen       "
           "      looks like\n"
           "100.64.0.9    smtp             12    720     11  2026-01-01T00:00:00Z  "
           "2026-01-02T00:00:00Z  likely spambot\n"
           "              netbios-smb       3    180      3\n"
           "evil\\x1b[31m  netbios-smb       1     60      0  -                     -              "
           "       -\n"
           "\n"
           "1,234 subscribers with drops\n"
    );
}

TEST_CASE("counters: what occurred, the rules, and whether all is accounted for") {
    Json answer = {
        {"received", frame_sides(10, 2)},
        {"transmitted", frame_sides(9, 1)},
        {"transmit_refused", frame_sides(0, 1)},
        {"verdicts",
         Json::array(
             {{{"verdict", "drop"},
               {"direction", "outbound"},
               {"reason", "rule"},
               {"frames", 1},
               {"bytes", 60}},
              {{"verdict", "drop"},
               {"direction", "inbound"},
               {"reason", "rule"},
               {"frames", 0},
               {"bytes", 0}}}
         )},
        {"rules",
         Json::array(
             {{{"rule", "smtp"},
               {"dropped", frame_sides(1, 0)},
               {"dropped_flows", 1},
               {"monitored", frame_sides(0, 5)},
               {"smarthost_frames", sides(2, 3)},
               {"exempt_frames", sides(0, 0)}}}
         )},
        {"conservation_error_frames", 0}};
    CHECK(
        show_text("counters", answer, {})
        == "verdict  reason  direction  frames  bytes\n"
           "drop     rule    outbound        1     60\n"
           "\n"
           "rule  dropped  flows  monitored  to smarthosts  exempt\n"
           "smtp        1      1          5              5       0\n"
           "\n"
           "received 12, transmitted 10, refused by transmit 1; 0 frames unaccounted for\n"
    );
    answer["conservation_error_frames"] = 3;
    CHECK_THAT(show_text("counters", answer, {}), Catch::Contains("3 frames unaccounted for"));
}

TEST_CASE("status: with and without a dataplane") {
    Json answer = Json::parse(R"({
        "version": "1.2.3", "uptime_seconds": 61.7, "ready": false,
        "problems": ["no dataplane", "no policy"],
        "dataplane": {"connected": false, "socket": "dp.sock", "starts_seen": 0},
        "policy": {"file": "policy.toml", "waiting": true, "errors": ["policy.toml:1:1: wrong"]},
        "subscribers_with_drops": 0})");
    CHECK(
        show_text("status", answer, {})
        == "ready                   no\n"
           "problems                no dataplane\n"
           "                        no policy\n"
           "control                 version 1.2.3, up 62 s\n"
           "dataplane connected     no\n"
           "policy                  policy.toml\n"
           "policy errors           policy.toml:1:1: wrong\n"
           "subscribers with drops  0\n"
    );
    answer["dataplane"] = Json::parse(R"({
        "connected": true, "instance": "0011", "started": "2026-11-24T03:29:56Z", "slots_used": 257,
        "slot_capacity": 1024,
        "workers": [{"generation": 7, "busy_ratio": 0.125, "cycles_per_frame": 33.25}],
        "ports": [{"name": "eth0", "link_up": true}]})");
    CHECK_THAT(
        show_text("status", answer, {}),
        Catch::Contains("slots in use            257 of 1024\n")
            && Catch::EndsWith("worker  generation    busy  cycles/frame\n"
                               "0                7  12.5 %          33.2\n"
                               "\n"
                               "port  link\n"
                               "eth0  up\n")
    );
}

TEST_CASE("policy: before and after one is in force") {
    CHECK(
        show_text("policy", Json{{"file", "policy.toml"}}, {})
        == "no policy is in force yet; the file is policy.toml\n"
    );
    const Json answer = Json::parse(R"({
        "file": "policy.toml", "generation": 3,
        "entries": {"pools": 1, "exemptions": 12},
        "classes": [{"name": "residential", "drop": ["netbios-smb"], "reject": ["smtp"], "monitor": []}],
        "rules": [{"name": "netbios-smb", "transport": ["tcp", "udp"], "outbound_source_ports": [],
            "outbound_destination_ports": ["137-139", 445], "inbound_source_ports": [],
            "inbound_destination_ports": [445], "except_smarthosts": false}],
        "pools": [{"prefix": "100.64.0.0/10", "subscriber_prefix_length": 32, "class": "residential"}],
        "warnings": ["no smarthosts"]})");
    CHECK(
        show_text("policy", answer, {})
        == "policy.toml, generation 3\n"
           "\n"
           "pools        1\n"
           "exemptions  12\n"
           "\n"
           "class        drops        rejects  monitors\n"
           "residential  netbios-smb  smtp     -\n"
           "\n"
           "rule         transport  ports                           not to smarthosts\n"
           "netbios-smb  tcp, udp   out to 137-139, 445; in to 445  no\n"
           "\n"
           "pool           a subscriber is  class\n"
           "100.64.0.0/10  /32              residential\n"
           "warning: no smarthosts\n"
    );
}

TEST_CASE("answers of another form are refused, not shown in part") {
    CHECK_THROWS_AS(show_text("status", Json::object(), {}), Json::exception);
    CHECK_THROWS_AS(
        show_text("subscribers", Json{{"subscribers", 7}, {"subscribers_with_drops", 0}}, {}),
        Json::exception
    );
}

TEST_CASE("a control that does not run is said so, with the cure") {
    const TempDir dir = TempDir::create().value();
    ApiAddress address;
    address.socket = dir.file("control.sock");
    const Result<Json> answer = get_api(address, "/api/v1/status");
    REQUIRE_FALSE(answer.has_value());
    CHECK(
        to_string(answer.errors())
        == "portcullis-control does not answer at " + address.socket.string()
               + ": No such file or directory (start it, or say where it listens: --socket PATH, "
                 "or "
                 "--url http://127.0.0.1:9925)\n"
    );
}

}  // namespace
}  // namespace portcullis::cli
