// portcullis-control: puts the parts together and waits for signals.
#include "control/api.h"
#include "control/api_description.h"
#include "control/bookkeeper.h"
#include "control/change_api.h"
#include "control/change_desk.h"
#include "control/exemption_api.h"
#include "control/exemption_desk.h"
#include "control/exit_status.h"
#include "control/explain_api.h"
#include "control/http_server.h"
#include "control/layout_store.h"
#include "control/listening_socket.h"
#include "control/options.h"
#include "control/policy_source.h"
#include "control/publisher.h"
#include "control/shadow_api.h"
#include "control/state_folder.h"
#include "rules/list_file.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>

#include <chrono>
#include <csignal>
#include <ctime>
#include <exception>
#include <filesystem>
#include <future>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>

namespace portcullis {

namespace {

void start_log(const std::string& level) {
    auto log = spdlog::stderr_logger_mt("portcullis-control");
    log->set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %l: %v");
    log->set_level(spdlog::level::from_str(level));
    log->flush_on(spdlog::level::debug);
    spdlog::set_default_logger(std::move(log));
}

// Signals are taken by this thread alone, when it asks: block them before any other thread starts.
sigset_t block_signals() {
    sigset_t set;
    sigemptyset(&set);
    for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
        sigaddset(&set, number);
    }
    ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
    (void)std::signal(SIGPIPE, SIG_IGN);
    (void)std::signal(SIGXFSZ, SIG_IGN);  // a file that may not grow is a full disk
    return set;
}

// The next signal of `set`, or 0 after a second.
int next_signal(const sigset_t& set) {
    const timespec second{1, 0};
    const int number = ::sigtimedwait(&set, nullptr, &second);
    return number > 0 ? number : 0;
}

int could_not_run(const Errors& errors) {
    std::cerr << to_string(errors);
    return kExitCouldNotRun;
}

void log_outcome(const Result<ApplyOutcome>& outcome) {
    if (!outcome) {
        for (const Error& error : outcome.errors()) {
            spdlog::error("{}", to_string(error));
        }
        return;
    }
    switch (outcome.value().state) {
    case ApplyState::effective: break;  // the publisher has said so
    case ApplyState::unchanged:
        spdlog::info(
            "the policy says what generation {} says already", outcome.value().generation.value
        );
        break;
    case ApplyState::waiting: spdlog::warn("the policy waits for a dataplane"); break;
    }
}

void log_answer(const ChangeAnswer& answer) {
    if (const auto* const refused = std::get_if<ChangeRefusal>(&answer)) {
        log_outcome(refused->errors);
        return;
    }
    const auto& outcome = std::get<ChangeOutcome>(answer);
    log_outcome(ApplyOutcome{outcome.state, outcome.change.generation});
}

void reload(PolicySource& source, Publisher& publisher, ChangeDesk& desk) {
    ::sd_notify(0, "RELOADING=1");
    spdlog::info("reading {} again", source.file().string());
    auto policy = source.read();
    if (policy) {
        ChangeRequest request;
        request.kind = ChangeKind::reload;
        request.bundle = std::move(policy.value().bundle);
        request.policy = std::move(policy.value().policy);
        request.who = {"reload", 0};
        log_answer(desk.apply(std::move(request)));
    } else {
        for (const Error& error : policy.errors()) {
            spdlog::error("{}", to_string(error));
        }
        spdlog::error(
            "{}: {} errors; the policy in force stays",
            source.file().string(),
            policy.errors().size()
        );
        publisher.note_invalid(policy.errors());
    }
    ::sd_notify(0, "READY=1");
}

// The servers for TCP and for the Unix socket.
struct Servers {
    std::unique_ptr<HttpServer> tcp;
    std::unique_ptr<HttpServer> local;
};

// Without --admin-group the group portcullis, where there is one.
Result<ChangeRights> rights_of(const Options& options) {
    const auto group = find_group(options.admin_group.empty() ? "portcullis" : options.admin_group);
    if (group) {
        return ChangeRights(group.value());
    }
    return options.admin_group.empty() ? Result<ChangeRights>(ChangeRights(std::nullopt))
                                       : Result<ChangeRights>(group.errors());
}

// A file with a secret, or one that belongs to it.
Result<std::string> read_pem(const std::filesystem::path& path, bool secret) {
    struct stat status {};

    if (secret && ::stat(path.c_str(), &status) == 0
        && (status.st_mode & (S_IRWXO | S_IWGRP)) != 0) {
        return Error{
            {path.string(), 0, 0}, "others could read it, or the group write it", "chmod 640 it"};
    }
    return read_text_file(path);
}

Result<HttpGuard> guard_of(const Options& options) {
    HttpGuard out;
    if (!options.tls_certificate.empty()) {
        auto certificate = read_pem(options.tls_certificate, false);
        if (!certificate) {
            return certificate.errors();
        }
        if (options.tls_key.empty()) {
            return Error{{}, "the certificate has no key", "name it with --tls-key"};
        }
        auto key = read_pem(options.tls_key, true);
        if (!key) {
            return key.errors();
        }
        out.certificate = std::move(certificate).value();
        out.key = std::move(key).value();
    }
    if (!options.password_file.empty() || !options.token_file.empty()) {
        auto login = HttpLogin::read(options.password_file, options.token_file);
        if (!login) {
            return login.errors();
        }
        out.login = std::move(login).value();
    }
    return out;
}

// Who connects to one of these waits until it is served.
struct Listeners {
    FileDescriptor tcp;
    FileDescriptor local;
    HttpGuard guard;
};

Result<Listeners> listen_at(const Options& options, const std::optional<gid_t>& socket_group) {
    auto guard = guard_of(options);
    if (!guard) {
        return guard.errors();
    }
    auto local = listen_unix(options.api_socket, socket_group);
    if (!local) {
        return local.errors();
    }
    auto tcp = listen_tcp(options.listen);
    if (!tcp) {
        return tcp.errors();
    }
    return Listeners{std::move(tcp).value(), std::move(local).value(), std::move(guard).value()};
}

Result<Servers> serve(const Options& options, const HttpRouter& router, Listeners listeners) {
    Servers out;
    const bool encrypted = !listeners.guard.certificate.empty();
    const bool login = listeners.guard.login != nullptr;
    const std::uint16_t port = port_of(listeners.tcp);
    auto local_server = HttpServer::serve(std::move(listeners.local), router, {});
    auto tcp_server =
        HttpServer::serve(std::move(listeners.tcp), router, {}, std::move(listeners.guard));
    if (!local_server || !tcp_server) {
        return local_server ? tcp_server.errors() : local_server.errors();
    }
    const char* const scheme = encrypted ? "https" : "http";
    spdlog::info("serving {}://{}:{}/metrics", scheme, options.listen.host, port);
    if (!options.listen.is_loopback() && !(encrypted && login)) {
        spdlog::warn(
            "{} can be reached from other machines, without {}: guard it",
            options.listen.host,
            encrypted ? "login"
            : login   ? "encryption"
                      : "encryption or login"
        );
    }
    out.local = std::move(local_server).value();
    out.tcp = std::move(tcp_server).value();
    return out;
}

void wait_for_end(
    const sigset_t& signals,
    Servers& servers,
    PolicySource& source,
    Publisher& publisher,
    ChangeDesk& desk
) {
    for (;;) {
        const int number = next_signal(signals);
        if (number == SIGINT || number == SIGTERM) {
            spdlog::info("ending; the dataplane goes on with the policy it has");
            ::sd_notify(0, "STOPPING=1");
            return;
        }
        if (number == SIGHUP) {
            reload(source, publisher, desk);
        }
        servers.tcp->end_overdue();
        servers.local->end_overdue();
        ::sd_notify(0, "WATCHDOG=1");
    }
}

// Publishes, and looks at the dataplane: nobody is told what was saved as if it were what it has counted since. A dataplane
// that does not answer is not waited for; what is returned is, before its outcome is told.
auto begin(ChangeDesk& desk, Bookkeeper& books) {
    constexpr std::chrono::seconds kPatience{2};
    auto begun = std::async(std::launch::async, [&] {
        auto outcome = desk.begin();
        books.look_now();
        return outcome;
    });
    static_cast<void>(begun.wait_for(kPatience));
    return begun;
}

// The routes, status and metrics of who changes what is in force.
void describe_changes(
    Api& api,
    HttpRouter& router,
    ChangeDesk& desk,
    ExemptionDesk& exemptions,
    Bookkeeper& books
) {
    add_change_routes(router, desk);
    add_exemption_routes(router, exemptions, books);
    add_explain_route(router, books, exemptions);
    api.add_status("changes", [&desk] { return change_status_json(*desk.view()); });
    api.add_metrics([&desk](MetricFamilies& out) { add_change_metrics(out, *desk.view()); });
    api.add_metrics([&](MetricFamilies& out) { add_exemption_metrics(out, exemptions, books); });
}

int run(const Options& options) {
    const sigset_t signals = block_signals();
    start_log(options.log_level);
    PolicySource source(options.policy);
    const auto rights = rights_of(options);
    if (!rights) {
        return could_not_run(rights.errors());
    }
    std::optional<FileDescriptor> state_lock;
    if (!options.state.empty()) {
        auto claimed = claim_state_folder(options.state);
        if (!claimed) {
            return could_not_run(claimed.errors());
        }
        state_lock = std::move(claimed).value();
    }
    Errors problems;
    LayoutStore layout(options.state, problems);
    Errors more;
    BookkeeperOptions book_options;
    book_options.state_folder = options.state;
    book_options.layout_id = layout.id();
    book_options.top = options.top;
    Bookkeeper books(book_options, more);
    problems.insert(problems.end(), more.begin(), more.end());
    PublisherOptions publisher_options;
    publisher_options.socket = options.dataplane_socket;
    Publisher publisher(publisher_options, std::move(layout), books);
    Api api({options.dataplane_socket, options.series_max}, books, publisher, source);
    ExemptionDeskOptions exemption_options;
    exemption_options.state_folder = options.state;
    ExemptionDesk exemptions(exemption_options, publisher, books, problems);
    ChangeDeskOptions desk_options;
    desk_options.state_folder = options.state;
    ChangeDesk desk(desk_options, publisher, problems);
    const auto loaded = desk.load([&source] { return source.read(); });
    for (const Error& problem : problems) {
        spdlog::warn("{}", to_string(problem));
    }
    if (!loaded) {
        std::cerr << to_string(loaded.errors());
        return std::filesystem::exists(options.policy) ? kExitPolicyInvalid : kExitCouldNotRun;
    }
    HttpRouter router(rights.value());
    api.add_routes(router);
    describe_changes(api, router, desk, exemptions, books);
    add_shadow_routes(router, publisher);
    add_description_route(router);
    for (const std::string& gap : description_gaps(router)) {
        spdlog::error("the API and its description differ in {}", gap);
    }
    api.add_metrics([&](MetricFamilies& out) { add_shadow_metrics(out, publisher); });
    auto listeners = listen_at(options, rights.value().admin_group());
    if (!listeners) {
        return could_not_run(listeners.errors());
    }
    auto begun = begin(desk, books);
    auto servers = serve(options, router, std::move(listeners).value());
    if (!servers) {
        return could_not_run(servers.errors());
    }
    log_outcome(begun.get());
    ::sd_notify(0, "READY=1");
    wait_for_end(signals, servers.value(), source, publisher, desk);
    servers.value() = {};
    std::error_code ignored;
    std::filesystem::remove(options.api_socket, ignored);
    return kExitDone;
}

}  // namespace

}  // namespace portcullis

int main(int argc, char** argv) {
    try {
        const auto options = portcullis::parse_options(argc, argv);
        if (const auto* const early = std::get_if<portcullis::EarlyExit>(&options)) {
            return early->status;
        }
        return portcullis::run(std::get<portcullis::Options>(options));
    } catch (const std::exception& error) {
        std::cerr << "portcullis-control: " << error.what() << '\n';
        return portcullis::kExitCouldNotRun;
    }
}
