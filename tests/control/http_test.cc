// The real server on real sockets: its answers, and clients that mean it harm.
#include "control/api.h"
#include "control/exemption_desk.h"
#include "control/explain_api.h"
#include "control/http_router.h"
#include "control/http_server.h"
#include "control/listening_socket.h"
#include "tests/control/fake_dataplane.h"
#include "tests/control/http_client.h"
#include "tests/control/policies.h"
#include "tests/rules/slot_memory.h"

#include <catch2/catch.hpp>

#include <nlohmann/json.hpp>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <chrono>
#include <cstring>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

using namespace portcullis;
using namespace std::chrono_literals;
using nlohmann::json;
using portcullis::test::add_dropped;
using portcullis::test::add_passed;
using portcullis::test::FakeDataplane;
using portcullis::test::get;
using portcullis::test::HttpAnswer;
using portcullis::test::HttpClient;
using portcullis::test::parse_answer;
using portcullis::test::policy_text;
using portcullis::test::pool_text;
using portcullis::test::TempFolder;

namespace {

using Clock = std::chrono::steady_clock;

std::uint64_t monotonic_ns() {
    return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(
                                          std::chrono::steady_clock::now().time_since_epoch()
    )
                                          .count());
}

// All of control but main(), with a dataplane without frames.
struct Stage {
    explicit Stage(const HttpLimits& limits = {}, const ApiOptions& api_options = {})
        : source(folder.path() / "policy.toml") {
        std::ofstream(source.file()) << policy_text(pool_text("100.64.0.0/22"));
        dataplane.emplace(folder.path() / "dp.sock");
        for (unsigned worker = 0; worker < 2; ++worker) {
            dataplane->counters().worker(worker).heartbeat_ns.set(monotonic_ns());
        }
        Errors problem;
        LayoutStore layout({}, problem);
        books.emplace(BookkeeperOptions{}, problem);
        PublisherOptions publisher_options;
        publisher_options.socket = folder.path() / "dp.sock";
        publisher.emplace(publisher_options, std::move(layout), *books);
        api.emplace(api_options, *books, *publisher, source);
        api->add_routes(router);
        exemptions.emplace(ExemptionDeskOptions{}, *publisher, *books, problem);
        add_explain_route(router, *books, *exemptions);
        router.add({HttpMethod::get, "/throws", [](const HttpRequest&) -> HttpReply {
                        throw std::runtime_error("as asked");
                    }});
        const auto echo = [](const HttpRequest& request) {
            HttpReply out;
            out.body = std::string(label(request.method)) + " of " + request.peer->user + ": "
                       + request.body;
            return out;
        };
        router.add({HttpMethod::post, "/echo", echo, 100'000});
        router.add({HttpMethod::put, "/echo", echo});
        router.add({HttpMethod::remove, "/echo", echo});
        auto tcp = listen_tcp({"127.0.0.1", 0, false});
        REQUIRE(tcp);
        port = port_of(tcp.value());
        auto local = listen_unix(folder.path() / "api.sock");
        REQUIRE(local);
        auto tcp_server = HttpServer::serve(std::move(tcp).value(), router, limits);
        auto local_server = HttpServer::serve(std::move(local).value(), router, limits);
        REQUIRE(tcp_server);
        REQUIRE(local_server);
        server = std::move(tcp_server).value();
        server_local = std::move(local_server).value();
        const auto policy = source.read();
        REQUIRE(policy);
        REQUIRE(publisher->apply(std::make_shared<const Policy>(policy.value().policy)));
        books->look_now();
    }

    [[nodiscard]] HttpClient client() const { return HttpClient::over_tcp(port); }

    [[nodiscard]] HttpAnswer ask(const std::string& target) const { return get(client(), target); }

    // Sends bytes as they are, and reads the answer.
    [[nodiscard]] HttpAnswer exchange(const std::string& bytes) const {
        HttpClient raw = client();
        raw.send(bytes);
        return parse_answer(raw.read_to_end(2s));
    }

    [[nodiscard]] HttpClient local_client() const {
        return HttpClient::over_unix(folder.path() / "api.sock");
    }

    // The same over the Unix socket.
    [[nodiscard]] HttpAnswer exchange_local(const std::string& bytes) const {
        HttpClient raw = local_client();
        raw.send(bytes);
        return parse_answer(raw.read_to_end(10s));
    }

    [[nodiscard]] bool is_well() const { return ask("/metrics").status == 200; }

    TempFolder folder;
    PolicySource source;
    std::optional<FakeDataplane> dataplane;
    std::optional<Bookkeeper> books;
    std::optional<Publisher> publisher;
    std::optional<Api> api;
    std::optional<ExemptionDesk> exemptions;
    HttpRouter router{ChangeRights(std::nullopt)};
    std::uint16_t port = 0;
    std::unique_ptr<HttpServer> server;
    std::unique_ptr<HttpServer> server_local;
};

}  // namespace

TEST_CASE("every route answers, the same over TCP and the Unix socket") {
    const Stage stage;
    const std::vector<std::pair<const char*, const char*>> routes = {
        {"/metrics", "text/plain; version=0.0.4; charset=utf-8"},
        {"/metrics/subscribers", "text/plain; version=0.0.4; charset=utf-8"},
        {"/metrics/subscribers?shard=1&shards=2", "text/plain; version=0.0.4; charset=utf-8"},
        {"/healthz", "application/json"},
        {"/api/v1/status", "application/json"},
        {"/api/v1/counters", "application/json"},
        {"/api/v1/policy", "application/json"},
        {"/api/v1/subscribers?top=3&sort=bytes", "application/json"},
        {"/api/v1/suspects?top=3", "application/json"},
        {"/api/v1/explain?src=100.64.0.7&dst=192.0.2.9&dport=25", "application/json"},
        {"/", "text/html; charset=utf-8"},
    };
    for (const auto& [target, type] : routes) {
        INFO(target);
        const HttpAnswer tcp = stage.ask(target);
        CHECK(tcp.status == 200);
        CHECK_THAT(tcp.headers, Catch::Contains(std::string("Content-Type: ") + type));
        const HttpAnswer local =
            get(HttpClient::over_unix(stage.folder.path() / "api.sock"), target);
        CHECK(local.status == 200);
        if (std::string(type) == "application/json") {
            CHECK(json::parse(local.body).size() == json::parse(tcp.body).size());
        }
    }
}

TEST_CASE("the API says what was counted, of which policy and by whom") {
    Stage stage;
    auto& counters = stage.dataplane->counters();
    add_dropped(counters.slot(0, 8), 0, {5, 4, 300});
    add_passed(counters.slot(1, 8), 1, 7, 420);
    add_dropped(counters.slot(1, 9), 1, {9, 0, 90});
    counters.worker(1).rules[0].dropped[0].add(5, 300);
    counters.worker(1).judged[1][0][index_of(Reason::rule)].add(14, 390);
    stage.books->look_now();

    const json status = json::parse(stage.ask("/api/v1/status").body);
    CHECK(status["ready"] == false);  // conservation: 14 frames came from nowhere
    CHECK(status["problems"][0] == "14 frames left by no counted door");
    CHECK(status["version"] == PORTCULLIS_VERSION);
    CHECK(status["dataplane"]["connected"] == true);
    CHECK(status["dataplane"]["workers"].size() == 2);
    CHECK(status["policy"]["generation"] == 1);
    CHECK(status["policy"]["file"] == stage.source.file().string());
    CHECK(status["policy"]["changed_since_read"] == false);
    CHECK(status["subscribers_with_drops"] == 2);

    const json totals = json::parse(stage.ask("/api/v1/counters").body);
    CHECK(totals["conservation_error_frames"] == 14);
    bool found = false;
    for (const json& row : totals["verdicts"]) {
        if (row["verdict"] == "drop" && row["direction"] == "outbound" && row["reason"] == "rule") {
            found = true;
            CHECK(row["frames"] == 14);
            CHECK(row["bytes"] == 390);
        } else {
            CHECK(row["frames"] == 0);
        }
    }
    CHECK(found);
    CHECK(totals["rules"].size() == 2);

    const json by_frames = json::parse(stage.ask("/api/v1/subscribers?top=1").body);
    REQUIRE(by_frames["subscribers"].size() == 1);
    CHECK(by_frames["subscribers"][0]["subscriber"] == "100.64.0.8");
    const json by_bytes = json::parse(stage.ask("/api/v1/subscribers?sort=bytes").body);
    REQUIRE(by_bytes["subscribers"].size() == 2);
    const json& first = by_bytes["subscribers"][0];
    CHECK(first["subscriber"] == "100.64.0.7");
    CHECK(first["dropped"][0]["rule"] == "smtp");
    CHECK(first["dropped"][0]["frames"] == 5);
    CHECK(first["dropped"][0]["flows"] == 4);
    CHECK(first["dropped"][0]["bytes"] == 300);
    CHECK(first["passed_since_dataplane_start"]["inbound"]["frames"] == 7);

    const json policy = json::parse(stage.ask("/api/v1/policy").body);
    CHECK(policy["pools"][0]["prefix"] == "100.64.0.0/22");
    CHECK(policy["classes"][0]["drop"] == json({"smtp", "netbios-smb"}));
    CHECK(policy["rules"][1]["outbound_destination_ports"] == json({"137-139", 445}));
    CHECK(policy["unclassifiable"]["malformed-ip"] == "drop");
    CHECK(policy["entries"]["pools"] == 1);
    CHECK(policy["warnings"].size() >= 1);
}

TEST_CASE("/healthz is 200 when the filter works, 503 with the reason when not") {
    Stage stage;
    CHECK(stage.ask("/healthz").status == 200);
    SECTION("a worker that hangs") {
        stage.dataplane->counters().worker(1).heartbeat_ns.set(monotonic_ns() - 60'000'000'000);
        const HttpAnswer answer = stage.ask("/healthz");
        CHECK(answer.status == 503);
        CHECK(json::parse(answer.body)["problems"][0] == "worker 1 does not run");
        stage.dataplane->counters().header().finished = 1;  // a replay that is done
        CHECK(stage.ask("/healthz").status == 200);
    }
    SECTION("no dataplane") {
        stage.dataplane.reset();
        const auto end = Clock::now() + 5s;
        while (stage.books->summary()->dataplane_up && Clock::now() < end) {
            std::this_thread::sleep_for(5ms);
        }
        const HttpAnswer answer = stage.ask("/healthz");
        CHECK(answer.status == 503);
        const json body = json::parse(answer.body);
        CHECK(body["live"] == true);
        CHECK(body["ready"] == false);
        CHECK_THAT(body["problems"][0].get<std::string>(), Catch::Contains("dp.sock"));
    }
}

TEST_CASE("what is not there, and what is not served, is refused in JSON") {
    const Stage stage;
    const HttpAnswer nothing = stage.ask("/api/v1/nothing%22%00%ff");
    CHECK(nothing.status == 404);
    CHECK(json::parse(nothing.body).contains("cure"));
    for (const char* const method : {"POST", "PUT", "DELETE", "PATCH", "OPTIONS", "BREW"}) {
        INFO(method);
        const HttpAnswer answer = stage.exchange(
            std::string(method) + " /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        );
        CHECK(answer.status == 405);
        CHECK_THAT(answer.headers, Catch::Contains("Allow: GET, HEAD"));
        CHECK(json::parse(answer.body).contains("error"));
    }
    const HttpAnswer head =
        stage.exchange("HEAD /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    CHECK(head.status == 200);
    CHECK(head.body.empty());
    for (const char* const target :
         {"/api/v1/subscribers?top=-1",
          "/api/v1/subscribers?top=1e3",
          "/api/v1/subscribers?top=99999999999999999999999",
          "/api/v1/subscribers?top",
          "/api/v1/subscribers?sort=names",
          "/api/v1/suspects?top=1001",
          "/api/v1/explain?src=100.64.0.7&dst=192.0.2.9&dport=65536",
          "/api/v1/explain?src=100.64.0.7&dst=2001:db8::1&dport=25",
          "/metrics/subscribers?shard=1",
          "/metrics/subscribers?shard=0&shards=0",
          "/metrics/subscribers?shard=2&shards=2",
          "/metrics/subscribers?shards=4294967296"}) {
        INFO(target);
        CHECK(stage.ask(target).status == 400);
    }
    CHECK(stage.ask("/throws").status == 500);
    CHECK(stage.is_well());
}

TEST_CASE("oversized requests are refused") {
    const Stage stage;
    CHECK(
        stage.exchange("GET /" + std::string(100'000, 'a') + " HTTP/1.1\r\nHost: x\r\n\r\n").status
        == 414
    );
    std::string headers;
    for (unsigned i = 0; i < 3'000; ++i) {
        headers += "X-" + std::to_string(i) + ": aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n";
    }
    CHECK(stage.exchange("GET /metrics HTTP/1.1\r\nHost: x\r\n" + headers + "\r\n").status == 431);
    CHECK(
        stage
            .exchange("GET /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n"
                      "Connection: close\r\n\r\n")
            .status
        == 413
    );
    CHECK(
        stage
            .exchange("POST /metrics HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                      "ffffffffffffffff\r\n")
            .status
        == 405
    );
    CHECK(stage.is_well());
}

namespace {

// A request with a body, as a well-behaved client sends it.
std::string with_body(const std::string& method, const std::string& path, const std::string& body) {
    return method + " " + path + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: "
           + std::to_string(body.size()) + "\r\n\r\n" + body;
}

}  // namespace

TEST_CASE("changes are taken over the Unix socket only, and who asks is known") {
    const Stage stage;
    const std::string me = user_name(::geteuid());
    CHECK(
        stage.exchange_local(with_body("POST", "/echo", "abc")).body == "POST of " + me + ": abc"
    );
    CHECK(stage.exchange_local(with_body("PUT", "/echo", "")).body == "PUT of " + me + ": ");
    CHECK(stage.exchange_local(with_body("DELETE", "/echo", "")).body == "DELETE of " + me + ": ");
    const std::string large(100'000, 'x');  // in several pieces
    CHECK(
        stage.exchange_local(with_body("POST", "/echo", large)).body
        == "POST of " + me + ": " + large
    );
    for (const char* const method : {"POST", "PUT", "DELETE"}) {
        INFO(method);
        const HttpAnswer refused = stage.exchange(with_body(method, "/echo", "abc"));
        CHECK(refused.status == 403);
        const json body = json::parse(refused.body);
        CHECK(body["error"] == "nothing can be changed over TCP");
        CHECK_THAT(body["cure"].get<std::string>(), Catch::Contains("Unix socket"));
    }
    CHECK(stage.exchange_local(with_body("POST", "/nowhere", "")).status == 404);
    const HttpAnswer wrong = stage.exchange_local(with_body("PATCH", "/echo", ""));
    CHECK(wrong.status == 405);
    CHECK_THAT(wrong.headers, Catch::Contains("Allow: POST, PUT, DELETE"));
}

TEST_CASE("bodies are bounded: each, and all together") {
    HttpLimits limits;
    limits.body_bytes = 150'000;
    limits.idle = 60s;  // so that the slow one below is still there, however slow this machine is
    const Stage stage(limits);
    CHECK(
        stage.exchange_local(with_body("POST", "/echo", std::string(100'001, 'x'))).status == 413
    );
    CHECK(stage.exchange_local(with_body("DELETE", "/echo", "x")).status == 413);
    CHECK(
        stage
            .exchange_local("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                            "3\r\nabc\r\n0\r\n\r\n")
            .status
        == 411
    );
    {
        HttpClient slow = stage.local_client();
        // What it announces is taken when it is told to go on; until then another's could be taken before it.
        slow.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n"
                  "Expect: 100-continue\r\n\r\n");
        const std::string go_on = "HTTP/1.1 100 Continue\r\n\r\n";
        REQUIRE(slow.read_some(go_on.size(), 30s) == go_on);
        slow.send("abc");
        CHECK(
            stage.exchange_local(with_body("POST", "/echo", std::string(60'000, 'x'))).status == 503
        );
        CHECK(stage.exchange_local(with_body("POST", "/echo", "small")).status == 200);
    }
    // It is gone, and so is what it had taken.
    const auto end = Clock::now() + 30s;
    unsigned status = 0;
    while (status != 200 && Clock::now() < end) {
        status = stage.exchange_local(with_body("POST", "/echo", std::string(60'000, 'x'))).status;
    }
    CHECK(status == 200);
}

TEST_CASE("who may change things") {
    const gid_t admins = 4'242;
    const ChangeRights rights(admins);
    CHECK(rights.may_change({0, "root", {0}}));
    CHECK(rights.may_change({::geteuid(), "me", {}}));
    const uid_t other = ::geteuid() + 1'000;
    CHECK_FALSE(rights.may_change({other, "other", {admins - 1, admins + 1}}));
    CHECK(rights.may_change({other, "other", {1, admins}}));
    CHECK_FALSE(ChangeRights(std::nullopt).may_change({other, "other", {1, admins}}));

    HttpRouter router{rights};
    router.add({HttpMethod::post, "/change", [](const HttpRequest&) { return HttpReply(); }, 10});
    HttpRequest request;
    request.method = HttpMethod::post;
    request.path = "/change";
    request.peer = Peer{other, "mallory", {}};
    const HttpAdmission refused = router.admit(request);
    REQUIRE(refused.refusal);
    CHECK(refused.refusal->status == 403);
    CHECK_THAT(refused.refusal->body, Catch::Contains("mallory may not change anything"));
    request.peer->groups = {admins};
    const HttpAdmission admitted = router.admit(request);
    CHECK_FALSE(admitted.refusal);
    CHECK(admitted.body_bytes_max == 10);
    CHECK_THROWS(router.add({HttpMethod::post, "/change", {}}));

    CHECK(find_group("root").value() == 0);
    CHECK(find_group("4242").value() == admins);
    CHECK_FALSE(find_group("no-such-group"));
    int pair[2] = {-1, -1};
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
    const FileDescriptor first(pair[0]);
    const FileDescriptor second(pair[1]);
    const auto peer = peer_of(first.get());
    REQUIRE(peer);
    CHECK(peer->uid == ::geteuid());
    CHECK(peer->groups.at(0) == ::getegid());
    CHECK_FALSE(peer_of(listen_tcp({"127.0.0.1", 0, false}).value().get()));
}

TEST_CASE("clients with bodies that misbehave harm nobody") {
    HttpLimits limits;
    limits.connections = 16;
    limits.idle = 1s;
    const Stage stage(limits);
    std::vector<HttpClient> gone;
    for (unsigned i = 0; i < 8; ++i) {
        gone.push_back(stage.local_client());
        gone.back().send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nabc");
    }
    gone.erase(gone.begin() + 4, gone.end());  // some leave in the middle, others say no more
    for (const char* const length :
         {"-1", "0x10", "99999999999999999999", "18446744073709551615", "1, 2", "", "abc"}) {
        INFO(length);
        HttpClient client = stage.local_client();
        client.send(
            "POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: "
            + std::string(length) + "\r\n\r\nabc"
        );
        CHECK_FALSE(client.read_to_end(5s).starts_with("HTTP/1.1 200"));
    }
    // More than announced is another request, and no good one.
    HttpClient more = stage.local_client();
    more.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabcdefghi\r\n\r\n");
    CHECK_THAT(more.read_to_end(5s), Catch::Contains("abc") && !Catch::Contains("def"));
    for (HttpClient& client : gone) {
        CHECK(client.closes_within(10s));
    }
    CHECK(stage.exchange_local(with_body("POST", "/echo", "abc")).status == 200);
    CHECK(stage.is_well());
}

TEST_CASE("garbage harms nobody") {
    const Stage stage;
    const std::vector<std::string> garbage = {
        std::string("\0\0\0\0", 4),
        "\r\n\r\n\r\n\r\n",
        "GET\r\n\r\n",
        "GET /metrics\r\n\r\n",
        "GET /metrics HTTP/9.9\r\nHost: x\r\n\r\n",
        "GET /%zz%00/../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /metrics?%%%=%&&==&a&&=b HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        "GET /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  // TLS
        std::string(70'000, '\xff'),
    };
    for (const std::string& bytes : garbage) {
        HttpClient client = stage.client();
        client.send(bytes);
        static_cast<void>(client.read_some(100, 50ms));
    }
    CHECK(stage.is_well());
}

TEST_CASE("slow and silent clients neither stall others nor stay for ever") {
    HttpLimits limits;
    limits.connections = 8;
    limits.idle = 1s;
    limits.request = 1s;
    const Stage stage(limits);
    std::vector<HttpClient> silent;
    for (unsigned i = 0; i < 4; ++i) {
        silent.push_back(stage.client());
        silent.back().send("GET /metr");
    }
    CHECK(stage.is_well());
    // One that sends a byte now and then is never idle; its request has a limit all the same.
    HttpClient dripping = stage.client();
    dripping.send("GET /metrics HTTP/1.1\r\nHost: x\r\nX: ");
    const auto start = Clock::now();
    bool closed = false;
    while (!closed && Clock::now() - start < 10s) {
        stage.server->end_overdue();
        closed = !dripping.send("a") || dripping.closes_within(200ms);
    }
    CHECK(closed);
    CHECK(Clock::now() - start >= 1s);
    for (HttpClient& client : silent) {
        CHECK(client.closes_within(5s));
    }
    CHECK(stage.is_well());
}

namespace {

// Whether somebody gets in over TCP, soon.
bool is_served(const Stage& stage) {
    const auto end = Clock::now() + 10s;
    bool well = false;
    while (!well && Clock::now() < end) {
        HttpClient client = stage.client();
        client.send("GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        well = client.read_to_end(2s).starts_with("HTTP/1.1 200");
    }
    return well;
}

}  // namespace

TEST_CASE("more connections than the limit are turned away, the Unix socket goes on") {
    HttpLimits limits;
    limits.connections = 4;
    limits.idle = 1s;
    const Stage stage(limits);
    std::vector<HttpClient> crowd;
    for (unsigned i = 0; i < 40; ++i) {
        crowd.push_back(stage.client());
    }
    CHECK(get(HttpClient::over_unix(stage.folder.path() / "api.sock"), "/metrics").status == 200);
    crowd.clear();
    CHECK(is_served(stage));
}

TEST_CASE("an address that holds all connections it may have leaves others to the next, and to the "
          "Unix socket") {
    HttpLimits limits;
    limits.connections_of_one = 4;
    const Stage stage(limits);
    std::vector<HttpClient> silent;
    for (unsigned i = 0; i < limits.connections_of_one; ++i) {
        silent.push_back(stage.client());
        REQUIRE(silent.back().send("GET /metr"));
        CHECK_FALSE(silent.back().closes_within(20ms));
    }
    CHECK(stage.client().closes_within(5s));
    const auto path = stage.folder.path() / "api.sock";
    CHECK(get(HttpClient::over_tcp(stage.port, 2), "/metrics").status == 200);
    std::vector<HttpClient> local;
    for (unsigned i = 0; i < 2 * limits.connections_of_one; ++i) {
        local.push_back(HttpClient::over_unix(path));
        REQUIRE(local.back().send("GET /metr"));
        CHECK_FALSE(local.back().closes_within(20ms));
    }
    CHECK(get(HttpClient::over_unix(path), "/metrics").status == 200);
    silent.pop_back();
    CHECK(is_served(stage));
}

TEST_CASE("a client that does not read its subscribers holds up neither others nor the books") {
    Stage stage;
    auto& counters = stage.dataplane->counters();
    for (std::uint32_t slot = 1; slot < 1'024; ++slot) {
        add_dropped(counters.slot(0, slot), 0, {slot, 0, slot});
    }
    stage.books->look_now();
    std::vector<HttpClient> lazy;
    for (unsigned i = 0; i < 8; ++i) {
        lazy.push_back(stage.client());
        lazy.back().send("GET /metrics/subscribers HTTP/1.1\r\nHost: x\r\n\r\n");
    }
    const auto start = Clock::now();
    CHECK(stage.ask("/metrics/subscribers").body.size() > 60'000);
    stage.books->look_now();
    CHECK(Clock::now() - start < 5s);
    lazy.clear();  // gone in the middle of it
    CHECK(stage.is_well());
}

TEST_CASE("the limit of series holds over HTTP") {
    ApiOptions options;
    options.series_max = 10;
    Stage stage({}, options);
    for (std::uint32_t slot = 1; slot <= 25; ++slot) {
        add_dropped(stage.dataplane->counters().slot(0, slot), 0, {1, 0, 1});
    }
    stage.books->look_now();
    CHECK_THAT(
        stage.ask("/metrics/subscribers").body,
        Catch::EndsWith("portcullis_subscriber_series_left_out 15\n")
    );
    CHECK_THAT(
        stage.ask("/metrics").body,
        Catch::Contains("portcullis_subscriber_series_left_out_total 15\n")
    );
}

TEST_CASE("the Unix socket is for its owner and group; a stale one is replaced") {
    const TempFolder folder;
    const auto path = folder.path() / "api.sock";
    {
        const auto socket = listen_unix(path);
        REQUIRE(socket);

        struct stat status {};

        REQUIRE(::stat(path.c_str(), &status) == 0);
        CHECK((status.st_mode & 07777U) == 0660);
        const auto second = listen_unix(path);
        REQUIRE(!second);
        CHECK_THAT(to_string(second.errors()), Catch::Contains("another process serves"));
    }
    CHECK(std::filesystem::exists(path));  // as after kill -9
    CHECK(listen_unix(path));
    std::filesystem::remove(path);
    std::ofstream(path) << "precious";
    const auto refused = listen_unix(path);
    REQUIRE(!refused);
    CHECK_THAT(to_string(refused.errors()), Catch::Contains("exists and is no socket"));
    CHECK(std::filesystem::is_regular_file(path));
}

TEST_CASE("listen addresses are numeric, with a port") {
    for (const char* const text : {"127.0.0.1:9925", "0.0.0.0:1", "[::1]:9925", "[::]:0"}) {
        CHECK(parse_listen_address(text));
    }
    for (const char* const text :
         {"",
          ":",
          "127.0.0.1",
          "127.0.0.1:",
          "127.0.0.1:65536",
          "127.0.0.1:-1",
          "localhost:9925",
          "::1:9925",
          "[127.0.0.1]:9925",
          "[::1]",
          "127.0.0.1:99x",
          "1.2.3:9"}) {
        INFO(text);
        CHECK_FALSE(parse_listen_address(text));
    }
    CHECK(parse_listen_address("127.0.0.2:1").value().is_loopback());
    CHECK(parse_listen_address("[::1]:1").value().is_loopback());
    CHECK_FALSE(parse_listen_address("0.0.0.0:1").value().is_loopback());
    CHECK_FALSE(parse_listen_address("[::]:1").value().is_loopback());
    const auto first = listen_tcp({"127.0.0.1", 0, false});
    REQUIRE(first);
    const auto second = listen_tcp({"127.0.0.1", port_of(first.value()), false});
    REQUIRE(!second);
    CHECK_THAT(to_string(second.errors()), Catch::Contains("Address already in use"));
}
