#include "tools/cli/api_options.h"

namespace portcullis::cli {

std::vector<CLI::Option*> add_api_address(CLI::App& command, ApiAddress& address) {
    CLI::Option* const socket =
        command.add_option("--socket", address.socket, "The Unix socket of portcullis-control")
            ->type_name("PATH")
            ->capture_default_str();
    CLI::Option* const url =
        command
            .add_option(
                "--url",
                address.url,
                "Its TCP address instead, such as http://127.0.0.1:9925; a login stands in it or "
                "in ~/.netrc"
            )
            ->type_name("URL")
            ->excludes(socket);
    CLI::Option* const ca_file =
        command
            .add_option(
                "--ca-file",
                address.ca_file,
                "Trust certificates that these (PEM) have signed, and not those that the system "
                "trusts"
            )
            ->type_name("FILE")
            ->needs(url);
    CLI::Option* const token_file =
        command.add_option("--token-file", address.token_file, "Log in with its first line")
            ->type_name("FILE")
            ->needs(url);
    return {socket, url, ca_file, token_file};
}

}  // namespace portcullis::cli
