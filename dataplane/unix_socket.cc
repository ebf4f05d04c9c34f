#include "dataplane/unix_socket.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>
#include <vector>

namespace portcullis::dataplane {

namespace {

constexpr int kBacklog = 16;
constexpr mode_t kSocketMode = S_IRUSR | S_IWUSR | S_IRGRP | S_IWGRP;

const sockaddr* as_generic(const sockaddr_un& address) {
    return reinterpret_cast<const sockaddr*>(&address);
}

Error socket_failure(const std::filesystem::path& path, const std::string& what, std::string cure) {
    return {{}, "socket \"" + path.string() + "\": " + what, std::move(cure)};
}

enum class Occupant {
    none,
    dead_socket,
    listener,
    other_file
};

// Who has the name already.
Occupant occupant_of(const std::filesystem::path& path, const sockaddr_un& address) {
    struct stat status {};

    if (::lstat(path.c_str(), &status) != 0) {
        return Occupant::none;
    }
    if (!S_ISSOCK(status.st_mode)) {
        return Occupant::other_file;
    }
    const FileDescriptor probe(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (::connect(probe.get(), as_generic(address), sizeof(address)) != 0
        && errno == ECONNREFUSED) {
        return Occupant::dead_socket;
    }
    return Occupant::listener;
}

// Whether `client`'s process has `group` among its supplementary groups.
bool is_in_group(int client, gid_t group) {
    std::vector<gid_t> groups(64);
    for (int attempt = 0; attempt < 2; ++attempt) {
        auto size = static_cast<socklen_t>(groups.size() * sizeof(gid_t));
        if (::getsockopt(client, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &size) == 0) {
            groups.resize(size / sizeof(gid_t));
            return std::find(groups.begin(), groups.end(), group) != groups.end();
        }
        if (errno != ERANGE) {
            return false;
        }
        groups.resize(size / sizeof(gid_t));  // the kernel says how many there are
    }
    return false;
}

// The one descriptor that came with `message`, all others closed; false if there was more than one.
bool take_descriptor(msghdr& message, FileDescriptor& out) {
    unsigned count = 0;
    for (cmsghdr* part = CMSG_FIRSTHDR(&message); part != nullptr;
         part = CMSG_NXTHDR(&message, part)) {
        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) {
            continue;
        }
        const std::size_t here = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (std::size_t i = 0; i < here; ++i, ++count) {
            int descriptor = -1;
            std::memcpy(&descriptor, CMSG_DATA(part) + i * sizeof(int), sizeof(int));
            out = FileDescriptor(descriptor);
        }
    }
    return count <= 1;
}

}  // namespace

ListeningSocket::ListeningSocket(FileDescriptor descriptor, std::filesystem::path path)
    : descriptor_(std::move(descriptor))
    , path_(std::move(path)) {}

ListeningSocket::~ListeningSocket() {
    if (descriptor_.is_open()) {
        ::unlink(path_.c_str());
    }
}

Result<ListeningSocket> ListeningSocket::open(const std::filesystem::path& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.empty() || path.native().size() >= sizeof(address.sun_path)) {
        return socket_failure(
            path,
            "the path has " + std::to_string(path.native().size()) + " bytes",
            "choose one of 1 to " + std::to_string(sizeof(address.sun_path) - 1)
                + " bytes with --socket"
        );
    }
    path.native().copy(address.sun_path, sizeof(address.sun_path) - 1);
    switch (occupant_of(path, address)) {
    case Occupant::none: break;
    case Occupant::dead_socket: ::unlink(path.c_str()); break;
    case Occupant::listener:
        return socket_failure(
            path,
            "another process listens there",
            "stop the other dataplane, or choose another path with --socket"
        );
    case Occupant::other_file:
        return socket_failure(path, "a file is there that is no socket", "choose another --socket");
    }
    FileDescriptor descriptor(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!descriptor.is_open()) {
        return socket_failure(path, std::generic_category().message(errno), {});
    }
    if (::bind(descriptor.get(), as_generic(address), sizeof(address)) != 0) {
        return socket_failure(
            path,
            "cannot be made: " + std::generic_category().message(errno),
            "make the folder, writable for this user, or choose another path with --socket"
        );
    }
    // Nobody can connect before listen(), so the mode is in force for all.
    if (::chmod(path.c_str(), kSocketMode) != 0 || ::listen(descriptor.get(), kBacklog) != 0) {
        const int error = errno;
        ::unlink(path.c_str());
        return socket_failure(path, std::generic_category().message(error), {});
    }
    return ListeningSocket(std::move(descriptor), path);
}

FileDescriptor ListeningSocket::accept() const noexcept {
    return FileDescriptor(
        ::accept4(descriptor_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK)
    );
}

bool ListeningSocket::allows(int client) const {
    ucred peer{};
    socklen_t size = sizeof(peer);
    if (::getsockopt(client, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) {
        return false;
    }
    if (peer.uid == 0 || peer.uid == ::geteuid()) {
        return true;
    }

    // Looked up now: whoever starts us may give the file to a group after we have made it.
    struct stat status {};

    return ::stat(path_.c_str(), &status) == 0
           && (peer.gid == status.st_gid || is_in_group(client, status.st_gid));
}

Received receive_message(int socket, std::span<std::byte> buffer) {
    alignas(cmsghdr) std::array<std::byte, CMSG_SPACE(4 * sizeof(int))> control{};
    iovec part{buffer.data(), buffer.size()};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();

    Received out;
    const ssize_t size = ::recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (size < 0) {
        const bool nothing = errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
        out.status = nothing ? Received::Status::nothing_yet : Received::Status::closed;
        return out;
    }
    const bool one_descriptor = take_descriptor(message, out.descriptor);
    const bool cut = (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0;
    if (size > 0 && one_descriptor && !cut) {
        out.status = Received::Status::message;
        out.size = static_cast<std::size_t>(size);
    }
    return out;
}

bool send_message(int socket, std::span<const std::byte> bytes, int descriptor) {
    alignas(cmsghdr) std::array<std::byte, CMSG_SPACE(sizeof(int))> control{};
    // sendmsg() only reads through this pointer.
    iovec part{const_cast<std::byte*>(bytes.data()), bytes.size()};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    if (descriptor >= 0) {
        message.msg_control = control.data();
        message.msg_controllen = control.size();
        cmsghdr* rights = CMSG_FIRSTHDR(&message);
        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN(sizeof(int));
        std::memcpy(CMSG_DATA(rights), &descriptor, sizeof(int));
    }
    const ssize_t sent = ::sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    return sent == static_cast<ssize_t>(bytes.size());
}

}  // namespace portcullis::dataplane
