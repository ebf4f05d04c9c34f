// The Unix socket that control talks to: made safely, and messages over it without ever waiting for a
// peer. Cold thread.
#pragma once

#include "dataplane/file_descriptor.h"
#include "rules/result.h"

#include <cstddef>
#include <filesystem>
#include <span>

namespace portcullis::dataplane {

// A listening SOCK_SEQPACKET socket and its file, which goes with it.
class ListeningSocket {
public:
    // A file that a dead process left behind is replaced; one that somebody listens on, or that is no
    // socket, is refused.
    [[nodiscard]] static Result<ListeningSocket> open(const std::filesystem::path& path);

    ~ListeningSocket();
    ListeningSocket(const ListeningSocket&) = delete;
    ListeningSocket& operator=(const ListeningSocket&) = delete;
    ListeningSocket(ListeningSocket&&) noexcept = default;
    ListeningSocket& operator=(ListeningSocket&&) = delete;

    [[nodiscard]] int descriptor() const noexcept { return descriptor_.get(); }

    // The next client, or a closed descriptor when none waits.
    [[nodiscard]] FileDescriptor accept() const noexcept;

    // Whether the process behind `client` may speak to us: root, our own user, or a member of the group
    // that the socket file belongs to.
    [[nodiscard]] bool allows(int client) const;

private:
    ListeningSocket(FileDescriptor descriptor, std::filesystem::path path);

    FileDescriptor descriptor_;
    std::filesystem::path path_;
};

struct Received {
    enum class Status {
        message,
        nothing_yet,
        closed,  // or broken, or more than one descriptor, or longer than the buffer
    };

    Status status = Status::closed;
    std::size_t size = 0;
    FileDescriptor descriptor;  // that came with the message, if one did
};

// The next message of `socket`, into `buffer`.
[[nodiscard]] Received receive_message(int socket, std::span<std::byte> buffer);

// Sends `bytes`, with `descriptor` unless it is negative. False if the peer is gone or does not read.
[[nodiscard]] bool send_message(int socket, std::span<const std::byte> bytes, int descriptor = -1);

}  // namespace portcullis::dataplane
