// The sockets that the HTTP server listens on. Called once, at the start.
#pragma once

#include "control/file_descriptor.h"
#include "rules/result.h"

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace portcullis {

// A numeric address and a port: "127.0.0.1:9925", "[::1]:9925".
struct ListenAddress {
    std::string host;
    std::uint16_t port = 0;  // 0: the system chooses
    bool ipv6 = false;

    // Reachable from this machine only.
    [[nodiscard]] bool is_loopback() const;
};

[[nodiscard]] Result<ListenAddress> parse_listen_address(std::string_view text);

[[nodiscard]] Result<FileDescriptor> listen_tcp(const ListenAddress& address);

// The port that a socket of listen_tcp() really has.
[[nodiscard]] std::uint16_t port_of(const FileDescriptor& socket);

// A Unix stream socket for its owner and group (mode 0660). A socket that a dead process left is replaced; one
// that somebody serves is not. With `group` the file is given to that group, if this process may.
[[nodiscard]] Result<FileDescriptor>
listen_unix(const std::filesystem::path& path, const std::optional<gid_t>& group = std::nullopt);

}  // namespace portcullis
