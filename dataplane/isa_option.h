// The option --isa, of the dataplane and of the benchmark that runs its stages.
#pragma once

#include "dataplane/isa.h"

#include <CLI/CLI.hpp>

#include <optional>
#include <string>
#include <vector>

namespace portcullis::dataplane {

inline CLI::Option* add_isa(CLI::App& command, std::optional<Isa>& isa) {
    std::vector<std::string> names;
    std::string type_name;
    for (const IsaChoice& choice : kIsaChoices) {
        names.emplace_back(choice.name);
        type_name += (type_name.empty() ? "" : "|") + names.back();
    }
    return command
        .add_option_function<std::string>(
            "--isa",
            [&isa](const std::string& name) {
                for (const IsaChoice& choice : kIsaChoices) {
                    isa = choice.name == name ? choice.value : isa;
                }
            },
            "Instruction set that frames are read with; auto (default): the fastest that this "
            "processor has"
        )
        ->check(CLI::IsMember(names).description(""))
        ->type_name(type_name);
}

}  // namespace portcullis::dataplane
