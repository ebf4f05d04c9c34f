// portcullis, the command line.
#include "tools/cli/cli.h"
#include "tools/cli/console.h"

int main(int argc, char** argv) {
    portcullis::cli::Console console = portcullis::cli::standard_console();
    return static_cast<int>(portcullis::cli::run(argc, argv, console));
}
