#include "tools/cli/cli.h"

#include "rules/command_line.h"
#include "rules/quoted_text.h"
#include "tools/cli/api_options.h"
#include "tools/cli/check.h"
#include "tools/cli/cli_beside.h"
#include "tools/cli/cli_changes.h"
#include "tools/cli/diff.h"
#include "tools/cli/doctor.h"
#include "tools/cli/events.h"
#include "tools/cli/explain.h"
#include "tools/cli/live_capture.h"
#include "tools/cli/reasons.h"
#include "tools/cli/replay.h"
#include "tools/cli/show.h"
#include "tools/cli/top.h"

#include <CLI/CLI.hpp>

#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

namespace portcullis::cli {

namespace {

// What the command that was named does; set by parsing.
using Action = std::function<ExitStatus(Console&)>;

void add_json_flag(CLI::App& command, bool& json) {
    command.add_flag("--json", json, "Print one JSON object instead of text");
}

void add_check(CLI::App& app, Action& action) {
    CLI::App* const command =
        app.add_subcommand("check", "Parse and compile a policy file; touch nothing");
    const auto options = std::make_shared<CheckOptions>();
    command->add_option("POLICY", options->policy, "The policy file (TOML)")
        ->required()
        ->type_name("FILE");
    add_json_flag(*command, options->json);
    command->footer("Exit status: 0 the policy is valid, 1 it is refused (every error on stderr, "
                    "with its place and its\n"
                    "cure), 2 it cannot be read.\n\n"
                    "Examples:\n"
                    "  portcullis check /etc/portcullis/policy.toml\n"
                    "  portcullis check --json policy.toml | jq .warnings\n");
    command->callback([&action, options] {
        action = [options](Console& console) {
            return run_check(*options, console);
        };
    });
}

void add_diff(CLI::App& app, Action& action) {
    CLI::App* const command = app.add_subcommand("diff", "Compare two policies, entry by entry");
    const auto options = std::make_shared<DiffOptions>();
    command
        ->add_option(
            "A", options->before, "The policy file before; alone, the one after what is in force"
        )
        ->required()
        ->type_name("FILE");
    command->add_option("B", options->after, "The policy file after")->type_name("FILE");
    command
        ->add_option(
            "--socket",
            options->address.socket,
            "The Unix socket of portcullis-control, for one file"
        )
        ->type_name("PATH")
        ->capture_default_str();
    add_json_flag(*command, options->json);
    command->footer(
        "Exit status: 0 they mean the same, 1 they differ, 2 one of them cannot be "
        "read or is refused.\n"
        "With one file: as portcullis apply --dry-run, whose --json has another form.\n\n"
        "Examples:\n"
        "  portcullis diff /etc/portcullis/policy.toml new.toml\n"
        "  portcullis diff new.toml\n"
        "  portcullis diff --json old.toml new.toml | jq '.changes[] | select(.kind == "
        "\"exemption\")'\n"
    );
    command->callback([&action, options] {
        action = [options](Console& console) {
            return run_diff(*options, console);
        };
    });
}

// The subcommand's options are told in their order.
void add_explain(CLI::App& app, Action& action) {  // NOLINT(readability-function-size)
    CLI::App* const command = app.add_subcommand(
        "explain", "Say which subscriber, class, rule and exception decide about a flow or a frame"
    );
    const auto options = std::make_shared<ExplainOptions>();
    CLI::Range port(0, 65'535);
    CLI::IsMember transport({"tcp", "udp"});
    port.description("");  // the help says it
    transport.description("");
    CLI::Option* const policy =
        command->add_option("--policy", options->policy, "The policy file (TOML)")
            ->type_name("FILE");
    CLI::Option* const live =
        command
            ->add_flag(
                "--live",
                options->live,
                "Instead: the policy in force, and what was dropped of the subscriber"
            )
            ->excludes(policy);
    for (CLI::Option* const option : add_api_address(*command, options->address)) {
        option->needs(live);
    }
    CLI::Option* const source =
        command->add_option("--src", options->source, "Source address of the frame")
            ->type_name("ADDRESS");
    CLI::Option* const destination =
        command->add_option("--dst", options->destination, "Destination address of the frame")
            ->type_name("ADDRESS");
    CLI::Option* const destination_port =
        command->add_option("--dport", options->destination_port, "Destination port")
            ->type_name("PORT")
            ->check(port);
    CLI::Option* const capture =
        command
            ->add_option("--in", options->capture, "Instead of a flow: the frames of this capture")
            ->type_name("FILE")
            ->excludes(source)
            ->excludes(destination)
            ->excludes(destination_port)
            ->excludes(live);
    command->add_option("--frame", options->frame, "Only this one, counted from 1")
        ->type_name("N")
        ->check(CLI::PositiveNumber)
        ->needs(capture);
    command->add_option("--sport", options->source_port, "Source port")
        ->type_name("PORT")
        ->check(port)
        ->capture_default_str();
    command->add_option("--proto", options->transport, "Transport protocol: tcp or udp")
        ->type_name("NAME")
        ->check(transport)
        ->capture_default_str();
    CLI::Option* const inbound =
        command->add_flag("--inbound", options->inbound, "The frame comes from the internet");
    CLI::IsMember direction({"outbound", "inbound", "by-source"});
    direction.description("");
    command
        ->add_option(
            "--direction",
            options->direction,
            "Of the capture's frames: outbound (default), inbound, or by-source (outbound if the "
            "source is in a pool)"
        )
        ->type_name("NAME")
        ->check(direction)
        ->needs(capture)
        ->excludes(inbound);
    add_json_flag(*command, options->json);
    command->footer(
        "Exit status: 0 whatever the verdict is, 1 the policy is refused, 2 could not run.\n\n"
        "Examples:\n"
        "  portcullis explain --policy policy.toml --src 100.64.7.9 --dst 198.51.100.1 --dport 25\n"
        "  portcullis explain --policy policy.toml --inbound --src 198.51.100.1 --sport 25 \\\n"
        "      --dst 100.64.7.9 --dport 49152\n"
        "  portcullis explain --policy policy.toml --in border.pcap --frame 17\n"
        "  portcullis explain --policy policy.toml --in border.pcap --direction by-source\n"
        "  portcullis explain --live --src 100.64.7.9 --dst 198.51.100.1 --dport 25\n"
    );
    command->callback([&action, options, policy, source, destination, destination_port, capture] {
        if (policy->empty() && !options->live) {
            throw CLI::RequiredError("--policy");
        }
        if (capture->empty()) {
            for (const CLI::Option* needed : {source, destination, destination_port}) {
                if (needed->empty()) {
                    throw CLI::RequiredError(needed->get_name());
                }
            }
        }
        action = [options](Console& console) {
            return run_explain(*options, console);
        };
    });
}

void add_replay(CLI::App& app, Action& action) {
    CLI::App* const command =
        app.add_subcommand("replay", "Judge a capture by a policy, with the real dataplane");
    const auto options = std::make_shared<ReplayOptions>();
    CLI::IsMember direction({"outbound", "inbound", "by-source"});
    direction.description("");
    command->add_option("--policy", options->policy, "The policy file (TOML)")
        ->required()
        ->type_name("FILE");
    command->add_option("--in", options->capture, "The capture (pcap or pcapng)")
        ->required()
        ->type_name("FILE");
    command
        ->add_option(
            "--direction",
            options->direction,
            "Of all its frames: outbound, inbound, or by-source (outbound if the source is in a "
            "pool)"
        )
        ->type_name("NAME")
        ->check(direction)
        ->capture_default_str();
    command
        ->add_option(
            "--verdicts", options->verdicts, "Write a line of tab-separated values for each frame"
        )
        ->type_name("FILE");
    command->add_option("--pass-out", options->pass_out, "Write the frames that pass to a capture")
        ->type_name("FILE");
    command
        ->add_option(
            "--drop-out", options->drop_out, "Write the frames that are dropped to a capture"
        )
        ->type_name("FILE");
    command
        ->add_option(
            "--top", options->top, "Show this many subscribers, those with most drops first; 0: all"
        )
        ->type_name("N")
        ->capture_default_str();
    add_json_flag(*command, options->json);
    command->footer(
        "Needs no root, no hugepages and no network card. Captures that are not Ethernet (raw IP, "
        "BSD loopback,\n"
        "Linux cooked) are converted. PORTCULLIS_DATAPLANE names another portcullis-dataplane than "
        "the one beside\n"
        "this program.\n\n"
        "Exit status: 0 done, 1 the policy is refused, 2 could not run.\n\n"
        "Examples:\n"
        "  portcullis replay --policy policy.toml --in border.pcap --direction by-source\n"
        "  portcullis replay --policy new.toml --in border.pcap --drop-out dropped.pcap --verdicts "
        "verdicts.tsv\n"
        "  portcullis replay --policy policy.toml --in border.pcap --json --top 0 | jq "
        ".subscribers\n"
    );
    command->callback([&action, options] {
        action = [options](Console& console) {
            return run_replay(*options, console);
        };
    });
}

void add_show(CLI::App& app, Action& action) {
    CLI::App* const command =
        app.add_subcommand("show", "Show what a running portcullis-control knows");
    const auto options = std::make_shared<ShowOptions>();
    CLI::IsMember what({"status", "counters", "policy", "subscribers", "suspects"});
    what.description("");
    command->add_option("WHAT", options->what, "status, counters, policy, subscribers or suspects")
        ->type_name("")
        ->check(what)
        ->capture_default_str();
    (void)add_api_address(*command, options->address);
    command
        ->add_option(
            "--top",
            options->top,
            "Of subscribers, those with most drops; of suspects, those with most against them"
        )
        ->type_name("N")
        ->capture_default_str();
    add_json_flag(*command, options->json);
    command->footer("Exit status: 0 done, 2 portcullis-control does not answer.\n\n"
                    "Examples:\n"
                    "  portcullis show\n"
                    "  portcullis show subscribers --top 100\n"
                    "  portcullis show suspects\n"
                    "  portcullis show counters --url http://127.0.0.1:9925 --json | jq .rules\n");
    command->callback([&action, options] {
        action = [options](Console& console) {
            return run_show(*options, console);
        };
    });
}

void add_top(CLI::App& app, Action& action) {
    CLI::App* const command = app.add_subcommand("top", "Watch who is being dropped, live");
    const auto options = std::make_shared<TopOptions>();
    const auto sort = std::make_shared<std::string>(label(options->order));
    const auto period_s = std::make_shared<double>(2);
    CLI::IsMember order({"rate", "frames", "bytes", "flows", "destinations"});
    CLI::Range period(0.2, 3'600.0);
    CLI::Range count(1, 10'000);
    order.description("");
    period.description("");
    count.description("");
    command
        ->add_option(
            "--sort", *sort, "By rate, frames, bytes, flows or destinations (in 5 minutes)"
        )
        ->type_name("BY")
        ->check(order)
        ->capture_default_str();
    command->add_option("--count", options->count, "Subscribers, where no screen limits them")
        ->type_name("N")
        ->check(count)
        ->capture_default_str();
    command->add_option("--period", *period_s, "From one look to the next, at least 0.2")
        ->type_name("SECONDS")
        ->check(period)
        ->capture_default_str();
    command->add_flag("--once", options->once, "Look twice, for the rates, and answer once");
    (void)add_api_address(*command, options->address);
    command->add_flag("--json", options->json, "Print a JSON object a line for programs");
    command->footer("On a terminal it fills the screen and takes keys, which it names. Piped, it "
                    "prints a block a look, until\n"
                    "SIGINT.\n\n"
                    "Exit status: 0 done, or ended by q, SIGINT or SIGTERM; 2 portcullis-control "
                    "does not answer.\n\n"
                    "Examples:\n"
                    "  portcullis top --sort destinations\n"
                    "  portcullis top --once --json | jq .dropped_frames_per_second\n");
    command->callback([&action, options, sort, period_s] {
        options->order = *parse_top_order(*sort);
        options->period = std::chrono::milliseconds(static_cast<int>(*period_s * 1'000));
        action = [options](Console& console) {
            return run_top(*options, console);
        };
    });
}

// Which judged frames of a running dataplane.
void add_frame_choice(CLI::App& command, FrameChoice& choice) {
    CLI::IsMember verdicts({"drop", "pass", "all"});
    verdicts.description("");
    command.add_option("--verdict", choice.verdict, "drop, pass or all")
        ->type_name("")
        ->check(verdicts)
        ->capture_default_str();
    command.add_option("--reason", choice.reason, "Only of this reason (portcullis reasons)")
        ->type_name("REASON");
    command.add_option("--rule", choice.rule, "Only what this rule decided")->type_name("RULE");
    command
        .add_option(
            "--subscriber", choice.subscriber, "Only with a subscriber-side address in this prefix"
        )
        ->type_name("PREFIX");
    command.add_option("--count", choice.count, "End after this many frames")->type_name("N");
    command.add_option("--seconds", choice.seconds, "End after this time")->type_name("N");
    command
        .add_option(
            "--dataplane-socket", choice.dataplane_socket, "The socket of portcullis-dataplane"
        )
        ->type_name("PATH")
        ->capture_default_str();
    command
        .add_option(
            "--socket", choice.control.socket, "Of portcullis-control, which knows the rules' names"
        )
        ->type_name("PATH")
        ->capture_default_str();
}

void add_capture(CLI::App& app, Action& action) {
    CLI::App* const command = app.add_subcommand(
        "capture", "Copy judged frames of a running dataplane, as pcapng with their verdicts"
    );
    const auto options = std::make_shared<LiveCaptureOptions>();
    add_frame_choice(*command, options->choice);
    CLI::Range snap(1U, kCaptureSnapMax);
    snap.description("");
    command->add_option("--snaplen", options->choice.snap_bytes, "Bytes of each frame")
        ->type_name("N")
        ->check(snap)
        ->capture_default_str();
    command->add_option("-w,--write", options->file, "The file; - is standard output")
        ->type_name("FILE")
        ->capture_default_str();
    command->footer(
        "Ends with the count, the time, or Ctrl-C. Workers never wait for it: what it is too slow "
        "for is\n"
        "lost and counted. One capture at a time.\n\n"
        "Exit status: 0 done, 2 could not run.\n\n"
        "Examples:\n"
        "  portcullis capture | tcpdump -n -r -\n"
        "  portcullis capture --rule smtp --subscriber 100.64.7.9 --count 100 -w smtp.pcapng\n"
        "  portcullis capture --verdict all --seconds 10 --snaplen 96 -w all.pcapng\n"
    );
    command->callback([&action, options] {
        action = [options](Console& console) {
            return run_live_capture(*options, console);
        };
    });
}

void add_events(CLI::App& app, Action& action) {
    CLI::App* const command = app.add_subcommand(
        "events", "Print drops of a running dataplane as JSON lines, each kind once in a while"
    );
    const auto options = std::make_shared<EventOptions>();
    add_frame_choice(*command, options->choice);
    command
        ->add_option(
            "--window",
            options->window_s,
            "Seconds of silence about the same subscriber, rule and destination"
        )
        ->check(CLI::Range(0, 86'400))
        ->type_name("SECONDS")
        ->capture_default_str();
    command->add_option("--rate", options->limits.per_second, "Lines a second, at most")
        ->check(CLI::Range(1, 1'000'000))
        ->type_name("N")
        ->capture_default_str();
    command->footer("Exit status: 0 done, 2 could not run.\n\n"
                    "Examples:\n"
                    "  portcullis events >> /var/log/portcullis/events.jsonl\n"
                    "  portcullis events --rule smtp --seconds 60 | jq -r .subscriber | sort -u\n");
    command->callback([&action, options] {
        action = [options](Console& console) {
            return run_events(*options, console);
        };
    });
}

void add_reasons(CLI::App& app, Action& action) {
    CLI::App* const command =
        app.add_subcommand("reasons", "List the reasons that a verdict can have");
    const auto json = std::make_shared<bool>(false);
    add_json_flag(*command, *json);
    command->footer("Exit status: 0.\n\n"
                    "Examples:\n"
                    "  portcullis reasons\n"
                    "  portcullis reasons --json | jq '.reasons[] | select(.may_drop)'\n");
    command->callback([&action, json] {
        action = [json](Console& console) {
            return run_reasons(*json, console);
        };
    });
}

void add_doctor(CLI::App& app, Action& action) {
    CLI::App* const command = app.add_subcommand(
        "doctor", "Say what this machine lacks to run the dataplane as it is configured"
    );
    const auto options = std::make_shared<DoctorOptions>();
    command->add_option("--config", options->config, "The dataplane's configuration file")
        ->type_name("FILE")
        ->capture_default_str();
    command
        ->add_option(
            "--root", options->root, "Look at /sys, /proc, /dev, /run and /etc/passwd below DIR"
        )
        ->type_name("DIR")
        ->capture_default_str();
    add_json_flag(*command, options->json);
    command->footer(
        "Changes nothing and touches no port. Each finding comes with what mends it, "
        "for a root shell.\n\n"
        "Exit status: 0 nothing is wrong, 1 something is, 2 the configuration cannot be "
        "read or is refused.\n\n"
        "Examples:\n"
        "  portcullis doctor\n"
        "  portcullis doctor --json | jq '.findings[] | select(.grade == "
        "\"fault\")'\n"
    );
    command->callback([&action, options] {
        action = [options](Console& console) {
            return run_doctor(*options, console);
        };
    });
}

std::vector<std::string> names_of_commands(const CLI::App& app) {
    std::vector<std::string> out;
    for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
        out.push_back(command->get_name());
    }
    return out;
}

std::string
suggest(const std::string& text, std::string_view kind, const std::vector<std::string>& names) {
    const std::vector<std::string_view> candidates(names.begin(), names.end());
    return suggestion(text, kind, candidates);
}

// What is wrong with the command line, and what would be right.
Error error_of(const CLI::App& app, const CLI::ParseError& wrong, std::string_view first_word) {
    const std::vector<CLI::App*> commands = app.get_subcommands();
    if (commands.empty()) {
        const std::vector<std::string> names = names_of_commands(app);
        if (first_word.empty()) {
            return {{}, "no command is given", suggest("", "commands", names)};
        }
        const std::string word(first_word);
        const bool option = word.front() == '-';
        return {
            {},
            (option ? "unknown option " : "unknown command ") + in_quotes(word),
            option ? "portcullis --help" : suggest(word, "commands", names)};
    }
    const CLI::App& command = *commands.back();
    Error out = error_of_options(command, wrong, "portcullis " + command.get_name() + " --help");
    out.message = command.get_name() + ": " + out.message;
    return out;
}

}  // namespace

ExitStatus run(int argc, const char* const* argv, Console& console) {
    CLI::App app("Portcullis, an ISP border egress filter: the command line.", "portcullis");
    Action action;
    app.set_version_flag("--version", "portcullis " PORTCULLIS_VERSION);
    app.require_subcommand(1);
    app.footer("portcullis COMMAND --help says more, with examples.\n");
    add_check(app, action);
    add_diff(app, action);
    add_explain(app, action);
    add_replay(app, action);
    add_show(app, action);
    add_change_commands(app, action);
    add_top(app, action);
    add_beside_commands(app, action);
    add_capture(app, action);
    add_events(app, action);
    add_reasons(app, action);
    add_doctor(app, action);
    try {
        app.parse(argc, argv);
    } catch (const CLI::Success& asked_for_text) {  // --help, --version
        (void)app.exit(asked_for_text, console.out, console.err);
        return ExitStatus::done;
    } catch (const CLI::ParseError& wrong) {
        const std::string_view first_word = argc > 1 ? argv[1] : "";
        return could_not_run(console, {error_of(app, wrong, first_word)});
    }
    const ExitStatus status = action(console);
    console.out.flush();
    if (!console.out) {
        return could_not_run(console, {Error{{}, "cannot write to standard output", ""}});
    }
    return status;
}

}  // namespace portcullis::cli
