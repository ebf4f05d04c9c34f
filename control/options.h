// The command line of portcullis-control, as values.
#pragma once

#include "control/listening_socket.h"

#include <cstdint>
#include <filesystem>
#include <string>
#include <variant>

namespace portcullis {

struct Options {
    std::filesystem::path policy;
    std::filesystem::path dataplane_socket = "/run/portcullis/dataplane.sock";
    std::filesystem::path api_socket = "/run/portcullis/control.sock";
    ListenAddress listen{"127.0.0.1", 9925, false};
    // Members may change things through the API socket, beside root and our user. Empty: "portcullis", if it exists.
    std::string admin_group;
    std::filesystem::path tls_certificate;  // of the TCP side; empty: unencrypted
    std::filesystem::path tls_key;
    std::filesystem::path password_file;  // who may read over TCP; both empty: everybody
    std::filesystem::path token_file;
    std::filesystem::path state;  // empty: nothing survives a restart
    unsigned top = 20;
    std::uint64_t series_max = 1'000'000;
    std::string log_level = "info";
};

// What main() should return without having run.
struct EarlyExit {
    int status = 0;
};

// Prints help, version or what is wrong with the arguments itself.
[[nodiscard]] std::variant<Options, EarlyExit> parse_options(int argc, const char* const* argv);

}  // namespace portcullis
