// portcullis, the command line.
#include "tools/cli/cli.h"
#include "tools/cli/console.h"

#include <exception>
#include <iostream>

int main(int argc, char** argv) {
    namespace cli = portcullis::cli;
    try {
        cli::Console console = cli::standard_console();
        return static_cast<int>(cli::run(argc, argv, console));
    } catch (const std::exception& error) {
        // Out of memory or the like: nothing that was foreseen.
        std::cerr << "portcullis: " << error.what() << '\n';
        return static_cast<int>(cli::ExitStatus::could_not_run);
    }
}
