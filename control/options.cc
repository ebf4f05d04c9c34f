#include "control/options.h"

#include "control/exit_status.h"
#include "rules/command_line.h"

#include <CLI/CLI.hpp>

#include <iostream>
#include <string>
#include <utility>

namespace portcullis {

namespace {

constexpr const char* kExamples =
    "Examples:\n"
    "  portcullis-control --policy /etc/portcullis/policy.toml --state /var/lib/portcullis\n"
    "  portcullis-control --policy policy.toml --dataplane-socket /tmp/dp.sock "
    "--api-socket /tmp/control.sock --listen 127.0.0.1:9925\n"
    "\n"
    "SIGHUP reads the policy file again; one with errors changes nothing. SIGTERM and SIGINT end "
    "the\n"
    "process; the dataplane goes on with the policy it has.\n"
    "Exit status: 0 ended by a signal, 1 the policy is invalid, 2 could not run.\n";

void describe(CLI::App& app, Options& options, std::string& listen) {
    app.add_option(
           "--policy",
           options.policy,
           "The policy file (TOML), to begin with and at SIGHUP; with --state the last confirmed "
           "policy goes on"
    )
        ->required()
        ->type_name("FILE");
    app.add_option(
           "--dataplane-socket", options.dataplane_socket, "Where portcullis-dataplane listens"
    )
        ->type_name("PATH")
        ->capture_default_str();
    app.add_option("--listen", listen, "Where metrics and the read-only API are served over TCP")
        ->type_name("ADDRESS:PORT")
        ->capture_default_str();
    app.add_option(
           "--api-socket", options.api_socket, "The same for the portcullis command, a Unix socket"
    )
        ->type_name("PATH")
        ->capture_default_str();
    CLI::Option* const certificate = app.add_option(
                                            "--tls-certificate",
                                            options.tls_certificate,
                                            "Encrypt TCP with this certificate (PEM)"
    )
                                         ->type_name("FILE");
    app.add_option("--tls-key", options.tls_key, "The certificate's key (PEM)")
        ->type_name("FILE")
        ->needs(certificate);
    app.add_option(
           "--password-file",
           options.password_file,
           "Who may read over TCP: lines user:hash, the hash as openssl passwd -6 makes it"
    )
        ->type_name("FILE");
    app.add_option("--token-file", options.token_file, "The same with bearer tokens, one a line")
        ->type_name("FILE");
    app.add_option(
           "--admin-group",
           options.admin_group,
           "Whose members may change things through the API socket, beside root and our user; "
           "portcullis if it exists"
    )
        ->type_name("GROUP");
    app.add_option(
           "--state",
           options.state,
           "Keep totals and the slots of subscribers in this folder across restarts"
    )
        ->type_name("DIR");
    app.add_option("--top", options.top, "Subscribers with the most drops to name in /metrics")
        ->check(CLI::Range(0U, 1'000U))
        ->type_name("N")
        ->capture_default_str();
    app.add_option(
           "--series-max",
           options.series_max,
           "Most series in one response of /metrics/subscribers; others are counted"
    )
        ->type_name("N")
        ->capture_default_str();
    app.add_option("--log-level", options.log_level, "How much to say on stderr")
        ->check(CLI::IsMember({"error", "warn", "info", "debug"}))
        ->capture_default_str();
}

}  // namespace

std::variant<Options, EarlyExit> parse_options(int argc, const char* const* argv) {
    Options options;
    std::string listen = "127.0.0.1:9925";
    CLI::App app(
        "The control process of Portcullis: compiles the policy file, publishes it to the "
        "dataplane, "
        "counts, and serves metrics.",
        "portcullis-control"
    );
    app.set_version_flag("--version", std::string(PORTCULLIS_VERSION));
    app.footer(kExamples);
    describe(app, options, listen);
    try {
        app.parse(argc, argv);
        auto address = parse_listen_address(listen);
        if (!address) {
            throw CLI::ValidationError("--listen", to_string(address.errors().front()));
        }
        options.listen = std::move(address).value();
    } catch (const CLI::ParseError& error) {
        if (error.get_exit_code() == 0) {  // --help, --version
            (void)app.exit(error);
            return EarlyExit{kExitDone};
        }
        const std::string& program = app.get_name();
        const Error wrong = error_of_options(app, error, program + " --help");
        std::cerr << program << ": " << to_string(wrong) << '\n';
        return EarlyExit{kExitCouldNotRun};
    }
    return options;
}

}  // namespace portcullis
