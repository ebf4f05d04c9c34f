#include "control/listening_socket.h"

#include "rules/prefix.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <optional>
#include <system_error>

namespace portcullis {

namespace {

constexpr int kBacklog = 64;

std::string why_errno() {
    return std::generic_category().message(errno);
}

// Any of the two families, as the socket calls want them.
struct SocketAddress {
    sockaddr_storage storage{};
    socklen_t length = 0;

    [[nodiscard]] const sockaddr* generic() const {
        return reinterpret_cast<const sockaddr*>(&storage);
    }
};

SocketAddress socket_address(const ListenAddress& address) {
    SocketAddress out;
    if (address.ipv6) {
        sockaddr_in6 six{};
        six.sin6_family = AF_INET6;
        six.sin6_port = htons(address.port);
        ::inet_pton(AF_INET6, address.host.c_str(), &six.sin6_addr);
        std::memcpy(&out.storage, &six, sizeof(six));
        out.length = sizeof(six);
    } else {
        sockaddr_in four{};
        four.sin_family = AF_INET;
        four.sin_port = htons(address.port);
        ::inet_pton(AF_INET, address.host.c_str(), &four.sin_addr);
        std::memcpy(&out.storage, &four, sizeof(four));
        out.length = sizeof(four);
    }
    return out;
}

std::optional<Error> clear_stale(const std::filesystem::path& path, const sockaddr_un& address) {
    struct stat status {};

    if (::lstat(path.c_str(), &status) != 0) {
        return std::nullopt;
    }
    if (!S_ISSOCK(status.st_mode)) {
        return Error{
            {}, path.string() + " exists and is no socket", "give another path with --api-socket"};
    }
    const FileDescriptor probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const auto* const generic = reinterpret_cast<const sockaddr*>(&address);
    if (::connect(probe.get(), generic, sizeof(address)) == 0 || errno == EAGAIN) {
        return Error{
            {},
            "another process serves " + path.string(),
            "stop that one, or give another path with --api-socket"};
    }
    ::unlink(path.c_str());
    return std::nullopt;
}

}  // namespace

bool ListenAddress::is_loopback() const {
    const std::optional<Address> parsed = parse_address(host);
    const Address v6_loopback = *parse_address("::1");
    return parsed && (ipv6 ? *parsed == v6_loopback : parsed->bytes[0] == 127);
}

Result<ListenAddress> parse_listen_address(std::string_view text) {
    const Error wrong{
        {},
        "\"" + std::string(text) + "\" is no address and port",
        "write for example 127.0.0.1:9925 or [::1]:9925"};
    const std::size_t colon = text.rfind(':');
    if (colon == std::string_view::npos) {
        return wrong;
    }
    std::string_view host = text.substr(0, colon);
    const std::string_view port = text.substr(colon + 1);
    const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
    if (bracketed) {
        host = host.substr(1, host.size() - 2);
    }
    ListenAddress out;
    out.host = host;
    const std::optional<Address> address = parse_address(host);
    const auto [end, failure] = std::from_chars(port.data(), port.data() + port.size(), out.port);
    if (!address || bracketed != (address->family == Family::ipv6) || failure != std::errc{}
        || end != port.data() + port.size()) {
        return wrong;
    }
    out.ipv6 = bracketed;
    return out;
}

Result<FileDescriptor> listen_tcp(const ListenAddress& address) {
    const std::string place = (address.ipv6 ? "[" + address.host + "]:" : address.host + ":")
                              + std::to_string(address.port);
    const int family = address.ipv6 ? AF_INET6 : AF_INET;
    FileDescriptor socket(::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const int on = 1;
    const SocketAddress at = socket_address(address);
    if (!socket || ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0
        || ::bind(socket.get(), at.generic(), at.length) != 0
        || ::listen(socket.get(), kBacklog) != 0) {
        return Error{
            {},
            "cannot listen at " + place + ": " + why_errno(),
            "give another address with --listen"};
    }
    return socket;
}

std::uint16_t port_of(const FileDescriptor& socket) {
    sockaddr_storage storage{};
    socklen_t length = sizeof(storage);
    ::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&storage), &length);
    // The port stands at the same place in both families.
    sockaddr_in four{};
    static_assert(offsetof(sockaddr_in, sin_port) == offsetof(sockaddr_in6, sin6_port));
    std::memcpy(&four, &storage, sizeof(four));
    return ntohs(four.sin_port);
}

Result<FileDescriptor>
listen_unix(const std::filesystem::path& path, const std::optional<gid_t>& group) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.native().size() >= sizeof(address.sun_path)) {
        return Error{
            {},
            "the socket's path " + path.string() + " is too long",
            "use one of at most " + std::to_string(sizeof(address.sun_path) - 1) + " bytes"};
    }
    std::memcpy(address.sun_path, path.c_str(), path.native().size() + 1);
    if (auto error = clear_stale(path, address)) {
        return *std::move(error);
    }
    FileDescriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    // The mode of the descriptor becomes that of the file, so nobody can connect before it is set.
    const auto* const generic = reinterpret_cast<const sockaddr*>(&address);
    if (!socket || ::fchmod(socket.get(), 0660) != 0
        || ::bind(socket.get(), generic, sizeof(address)) != 0 || ::chmod(path.c_str(), 0660) != 0
        || ::listen(socket.get(), kBacklog) != 0) {
        return Error{
            {},
            "cannot listen at " + path.string() + ": " + why_errno(),
            "give a path in a folder that this user may write to, with --api-socket"};
    }
    if (group && ::chown(path.c_str(), static_cast<uid_t>(-1), *group) != 0) {
        spdlog::warn(
            "cannot give {} to the group {}: {}; its members cannot connect",
            path.string(),
            *group,
            why_errno()
        );
    }
    return socket;
}

}  // namespace portcullis
