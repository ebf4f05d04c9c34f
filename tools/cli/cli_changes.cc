#include "tools/cli/cli_changes.h"

#include "tools/cli/api_options.h"
#include "tools/cli/apply.h"

#include <CLI/CLI.hpp>

#include <memory>

namespace portcullis::cli {

namespace {

using Action = std::function<ExitStatus(Console&)>;

// Changes go through the Unix socket alone.
void add_socket(CLI::App& command, ApiAddress& address) {
    command.add_option("--socket", address.socket, "The Unix socket of portcullis-control")
        ->type_name("PATH")
        ->capture_default_str();
}

void add_json(CLI::App& command, bool& json) {
    command.add_flag("--json", json, "Print one JSON object instead of text");
}

constexpr const char* kChangeStatus =
    "Exit status: 0 done, 1 refused (with the reason and the cure on stderr), 2 "
    "portcullis-control does not answer\n"
    "or could not do it; the policy in force stays then.\n\n";

void add_apply(CLI::App& app, Action& action) {
    CLI::App* const command =
        app.add_subcommand("apply", "Put a policy into force, whole or not at all");
    const auto options = std::make_shared<ApplyOptions>();
    command->add_option("POLICY", options->policy, "The policy file (TOML)")
        ->required()
        ->type_name("FILE");
    command
        ->add_option(
            "--confirm-timeout",
            options->confirm_timeout,
            "Go back by itself after this time, unless portcullis confirm comes: 90s, 5m, 2h"
        )
        ->type_name("TIME");
    command->add_option("--comment", options->comment, "Why, for the history")->type_name("TEXT");
    command
        ->add_option(
            "--if-generation",
            options->if_generation,
            "Only if this generation is in force; what is shown is always what it is applied to"
        )
        ->type_name("N");
    command->add_flag("--dry-run", options->dry_run, "Show what would differ, change nothing");
    command->add_flag(
        "--shadow",
        options->shadow,
        "Only judge live traffic by it beside the policy in force; portcullis shadow tells what "
        "differs"
    );
    add_socket(*command, options->address);
    add_json(*command, options->json);
    command->footer(
        std::string(kChangeStatus)
        + "Examples:\n"
          "  portcullis apply policy.toml --confirm-timeout 5m --comment 'ticket 4711'\n"
          "  portcullis apply policy.toml --dry-run\n"
          "  portcullis apply --shadow policy.toml\n"
    );
    command->callback([&action, options] {
        action = [options](Console& console) {
            return run_apply(*options, console);
        };
    });
}

void add_confirm(CLI::App& app, Action& action) {
    CLI::App* const command =
        app.add_subcommand("confirm", "Keep the change that waits for its confirmation");
    const auto options = std::make_shared<ConfirmOptions>();
    add_socket(*command, options->address);
    add_json(*command, options->json);
    command->footer(std::string(kChangeStatus) + "Examples:\n  portcullis confirm\n");
    command->callback([&action, options] {
        action = [options](Console& console) {
            return run_confirm(*options, console);
        };
    });
}

void add_rollback(CLI::App& app, Action& action) {
    CLI::App* const command = app.add_subcommand(
        "rollback", "Take back the change that waits, or the last one, or go to the policy of any"
    );
    const auto options = std::make_shared<RollbackOptions>();
    command
        ->add_option(
            "CHANGE", options->change, "Whose policy comes back, as portcullis history numbers it"
        )
        ->type_name("N");
    command->add_option("--comment", options->comment, "Why, for the history")->type_name("TEXT");
    add_socket(*command, options->address);
    add_json(*command, options->json);
    command->footer(
        std::string(kChangeStatus)
        + "A rollback is a change as well: rolling back twice without a number is where one "
          "began.\n\n"
          "Examples:\n"
          "  portcullis rollback\n"
          "  portcullis rollback 12 --comment 'mail is stuck'\n"
    );
    command->callback([&action, options] {
        action = [options](Console& console) {
            return run_rollback(*options, console);
        };
    });
}

void add_history(CLI::App& app, Action& action) {
    CLI::App* const command =
        app.add_subcommand("history", "List the changes of the policy: who, when, what and why");
    const auto options = std::make_shared<HistoryOptions>();
    (void)add_api_address(*command, options->address);
    command->add_option("--limit", options->limit, "The last so many")
        ->type_name("N")
        ->capture_default_str();
    add_json(*command, options->json);
    command->footer("Exit status: 0 done, 2 portcullis-control does not answer.\n\n"
                    "Examples:\n"
                    "  portcullis history\n"
                    "  portcullis history --json | jq '.changes[0].diff.lines'\n");
    command->callback([&action, options] {
        action = [options](Console& console) {
            return run_history(*options, console);
        };
    });
}

}  // namespace

void add_change_commands(CLI::App& app, Action& action) {
    add_apply(app, action);
    add_confirm(app, action);
    add_rollback(app, action);
    add_history(app, action);
}

}  // namespace portcullis::cli
