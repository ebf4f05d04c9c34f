// The subcommand throughput.
#include "bench/command.h"
#include "bench/open_peer.h"
#include "bench/throughput.h"

#include <CLI/CLI.hpp>

#include <memory>
#include <ostream>

namespace portcullis::bench {

namespace {

cli::ExitStatus run(const ThroughputOptions& options, cli::Console& console) {
    ProgressLine progress(console);
    const Result<ThroughputReport> report = run_throughput(options, progress);
    progress.clear();
    if (!report) {
        return fail(console, report.errors());
    }
    console.out
        << (options.json ? to_json_text(options, report.value())
                         : to_text(report.value(), console.style));
    return report.value().totals.conservation_error() == 0 ? cli::ExitStatus::done
                                                           : cli::ExitStatus::no;
}

}  // namespace

void add_throughput(CLI::App& app, Action& action) {
    CLI::App* const command = app.add_subcommand(
        "throughput",
        "The whole dataplane on ports of DPDK, beside programs that do less or the same"
    );
    const auto options = std::make_shared<ThroughputOptions>();
    const auto member = [](std::vector<std::string> words) {
        CLI::IsMember out(std::move(words));
        out.description("");
        return out;
    };
    add_profile_options(*command, options->profile);
    command->add_option("--capture", options->capture, "Replay this capture instead of made frames")
        ->type_name("FILE");
    command
        ->add_option(
            "--port",
            options->port,
            "DPDK ports of ours and of testpmd: pcap (copies frames out of a file), null (frames\n"
            "of zeros, not written: the least a port can do), ring (the same frames go round)"
        )
        ->type_name("NAME")
        ->check(member({"pcap", "null", "ring"}))
        ->capture_default_str();
    command
        ->add_option(
            "--direction",
            options->direction,
            "In which frames are judged: outbound, inbound, or both: one port each"
        )
        ->type_name("NAME")
        ->check(member({"both", "outbound", "inbound"}))
        ->capture_default_str();
    command
        ->add_option(
            "--sources",
            options->sources,
            "Where subscribers' addresses come from: stamped (drawn from all subscribers for "
            "every\n"
            "frame received, which costs some cycles), file, or spoofed (any address)"
        )
        ->type_name("NAME")
        ->check(member({"stamped", "file", "spoofed"}))
        ->capture_default_str();
    command
        ->add_option(
            "--peer-sources",
            options->peer_sources,
            "Those of testpmd and l3fwd-acl: same (as ours, by the same code), or file (nothing "
            "is\n"
            "written: fewer addresses than ours, and none of the cycles)"
        )
        ->type_name("NAME")
        ->check(member({"same", "file"}))
        ->capture_default_str();
    command
        ->add_option(
            "--peer",
            options->peers,
            "Beside testpmd-io, testpmd-macswap, l3fwd-acl, or, as root, xdp, nftables, "
            "linux-bridge "
            "(nftables'\nway without a ruleset); repeat"
        )
        ->type_name("NAME")
        ->check(member(peer_names()));
    command
        ->add_option(
            "--l3fwd-acl",
            options->l3fwd_acl,
            "The program of that peer (default: dpdk-l3fwd-acl in PATH; bench/README.md)"
        )
        ->type_name("PROGRAM");
    command->add_option("--workers", options->workers, "Each on a processor and queues of its own")
        ->type_name("N")
        ->check(CLI::Range(1U, kWorkersMax))
        ->capture_default_str();
    add_run_options(*command, options->runs, options->seconds, options->warm_up_seconds);
    command->add_flag("--json", options->json, "Print one JSON object instead of a table");
    command->footer(
        "All take turns on one processor. Rates are per second of processor time, so that other\n"
        "work on the machine takes nothing from them; --json has the rates by the clock, too.\n\n"
        "Exit status: 0 done, 1 frames were lost, 2 could not run.\n\n"
        "Examples:\n"
        "  portcullis-bench throughput --peer testpmd-io --peer testpmd-macswap\n"
        "  portcullis-bench throughput --subscribers 4000000 --exemptions 1000000 --json\n"
        "  portcullis-bench throughput --capture border.pcap --peer testpmd-io\n"
    );
    command->callback([&action, options] {
        action = [options](cli::Console& console) {
            return run(*options, console);
        };
    });
}

}  // namespace portcullis::bench
