#include "tools/cli/cli_beside.h"

#include "tools/cli/exempt.h"

#include <CLI/CLI.hpp>

#include <memory>

namespace portcullis::cli {

namespace {

using Action = std::function<ExitStatus(Console&)>;

constexpr const char* kStatus =
    "Exit status: 0 done, 1 refused (with the reason and the cure on stderr), 2 "
    "portcullis-control does not answer\n"
    "or could not do it; what was in force stays then.\n\n";

template <typename Options>
void add_common(CLI::App& command, Options& options) {
    command.add_option("--socket", options.address.socket, "The Unix socket of portcullis-control")
        ->type_name("PATH")
        ->capture_default_str();
    command.add_flag("--json", options.json, "Print one JSON object instead of text");
}

void add_subscriber(CLI::App& command, ExemptOptions& options) {
    command.add_option("SUBSCRIBER", options.subscriber, "An address, or a prefix of them")
        ->required()
        ->type_name("PREFIX");
}

void add_exempt_add(
    CLI::App& exempt,
    const std::shared_ptr<ExemptOptions>& options,
    Action& action
) {
    CLI::App* const add = exempt.add_subcommand("add", "Exempt a subscriber");
    add_subscriber(*add, *options);
    add->add_option("--rule", options->rules, "The rule that no longer holds; may be repeated")
        ->required()
        ->type_name("NAME")
        ->allow_extra_args(false);
    add->add_option("--reason", options->reason, "Why")->required()->type_name("TEXT");
    add->add_option("--reference", options->reference, "For example a ticket")->type_name("TEXT");
    add->add_option(
           "--expires",
           options->expires,
           "Its last day (2027-06-30), an instant (2027-06-30T12:00:00Z), or a time from now (30d)"
    )
        ->type_name("TIME");
    add->add_flag(
        "--dry-run", options->dry_run, "Say what the rule has dropped so far, change nothing"
    );
    add_common(*add, *options);
    add->footer(
        std::string(kStatus)
        + "Effective when the command returns. An exemption of the same subscriber and rule is "
          "replaced, and goes on counting.\n\n"
          "Examples:\n"
          "  portcullis exempt add 100.64.7.9 --rule smtp --reason 'own mail server' --reference "
          "'ticket 4711' --expires 30d\n"
          "  portcullis exempt add 2001:db8:1007:900::/56 --rule smtp --reason test --dry-run\n"
    );
    add->callback([&action, options] {
        action = [options](Console& console) {
            return run_exempt_add(*options, console);
        };
    });
}

void add_exempt_remove(
    CLI::App& exempt,
    const std::shared_ptr<ExemptOptions>& options,
    Action& action
) {
    CLI::App* const remove = exempt.add_subcommand("remove", "End an exemption");
    add_subscriber(*remove, *options);
    remove->add_option("--rule", options->rules, "From this rule alone; without it, from all")
        ->type_name("NAME")
        ->expected(1);
    add_common(*remove, *options);
    remove->footer(
        std::string(kStatus)
        + "Those of the policy file are not removed: they end when they are taken out of it.\n\n"
          "Examples:\n"
          "  portcullis exempt remove 100.64.7.9 --rule smtp\n"
          "  portcullis exempt remove 100.64.7.9\n"
    );
    remove->callback([&action, options] {
        action = [options](Console& console) {
            return run_exempt_remove(*options, console);
        };
    });
}

void add_exempt_list(
    CLI::App& exempt,
    const std::shared_ptr<ExemptOptions>& options,
    Action& action
) {
    CLI::App* const list =
        exempt.add_subcommand("list", "List exemptions, with what each has let pass");
    add_common(*list, *options);
    list->footer(
        std::string(kStatus)
        + "Those of the policy file are told by their number alone.\n\n"
          "Examples:\n"
          "  portcullis exempt list\n"
          "  portcullis exempt list --json | jq '.exemptions[] | select(.passed.frames == 0)'\n"
    );
    list->callback([&action, options] {
        action = [options](Console& console) {
            return run_exempt_list(*options, console);
        };
    });
}

void add_exempt(CLI::App& app, Action& action) {
    CLI::App* const command = app.add_subcommand(
        "exempt", "Exempt one subscriber from a rule, at once, without a new file"
    );
    command->require_subcommand(1);
    const auto options = std::make_shared<ExemptOptions>();
    add_exempt_add(*command, options, action);
    add_exempt_remove(*command, options, action);
    add_exempt_list(*command, options, action);
    command->footer(
        std::string(kStatus)
        + "Exemptions made here stand beside those of the policy file, survive every change of it, "
          "and expire by themselves.\n\n"
          "Examples:\n"
          "  portcullis exempt add 100.64.7.9 --rule smtp --reason 'own mail server' --reference "
          "'ticket 4711' --expires 30d\n"
          "  portcullis exempt add 100.64.7.9 --rule smtp --reason test --dry-run\n"
          "  portcullis exempt list --json | jq '.exemptions[] | select(.passed.frames == 0)'\n"
          "  portcullis exempt remove 100.64.7.9 --rule smtp\n"
    );
}

void add_shadow(CLI::App& app, Action& action) {
    CLI::App* const command = app.add_subcommand(
        "shadow", "Show where the shadow policy would have decided otherwise, or stop it"
    );
    const auto options = std::make_shared<ShadowOptions>();
    CLI::IsMember what({"show", "stop"});
    what.description("");
    command->add_option("WHAT", options->what, "show or stop")
        ->type_name("")
        ->check(what)
        ->capture_default_str();
    add_common(*command, *options);
    command->footer(
        std::string(kStatus)
        + "A shadow policy (portcullis apply --shadow FILE) is judged beside the one in force and "
          "decides nothing. It ends\n"
          "when it is stopped, when another policy takes effect, and with portcullis-control. "
          "Frames "
          "are forwarded by\n"
          "the policy in force alone.\n\n"
          "Examples:\n"
          "  portcullis apply --shadow new.toml\n"
          "  portcullis shadow\n"
          "  portcullis shadow stop && portcullis apply new.toml --confirm-timeout 5m\n"
    );
    command->callback([&action, options] {
        action = [options](Console& console) {
            return run_shadow(*options, console);
        };
    });
}

}  // namespace

void add_beside_commands(CLI::App& app, Action& action) {
    add_exempt(app, action);
    add_shadow(app, action);
}

}  // namespace portcullis::cli
