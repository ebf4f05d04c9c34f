// The option --isa of the subcommands that run stages of the dataplane.
#pragma once

#include "dataplane/isa.h"

#include <CLI/CLI.hpp>

#include <map>
#include <optional>
#include <string>

namespace portcullis::bench {

inline void add_isa(CLI::App& command, std::optional<dataplane::Isa>& isa) {
    using dataplane::Isa;
    static const std::map<std::string, std::optional<Isa>> kNames = {
        {"auto", std::nullopt},
        {label(Isa::baseline), Isa::baseline},
        {label(Isa::avx2), Isa::avx2},
        {label(Isa::avx512), Isa::avx512}};
    command
        .add_option_function<std::string>(
            "--isa",
            [&isa](const std::string& name) { isa = kNames.at(name); },
            "Instruction set that frames are read with; auto (default): the fastest that this\n"
            "processor has"
        )
        ->check(CLI::IsMember(&kNames).description(""))
        ->type_name("auto|baseline|avx2|avx512");
}

}  // namespace portcullis::bench
