// The socket that clients publish policies through and fetch the counters from
// (rules/intake_protocol.h). One cold thread serves all of them and waits for none: a client that sends
// rubbish, or does not read its answers, loses its connection and nothing else but its shadow policy.
#pragma once

#include "dataplane/capture_desk.h"
#include "dataplane/publisher.h"
#include "dataplane/unix_socket.h"

#include <poll.h>

#include <chrono>
#include <cstddef>
#include <optional>
#include <span>
#include <vector>

namespace portcullis::dataplane {

class Intake {
public:
    static constexpr unsigned kClientsMax = 32;
    // Workers look for a new policy many times a millisecond; one that has not done so by now hangs.
    static constexpr std::chrono::seconds kEffectiveWithin{2};

    // Without `captures` nobody captures.
    Intake(
        ListeningSocket socket,
        Publisher& publisher,
        CounterMemory& counters,
        CaptureDesk* captures = nullptr
    );

    // Serves clients until one of `wakeups` (descriptors) is readable, which is returned, or until
    // `timeout` has passed.
    [[nodiscard]] std::optional<int>
    serve(std::span<const int> wakeups, std::chrono::milliseconds timeout);

private:
    struct Client {
        FileDescriptor socket;
        bool greeted = false;
    };

    // The client whose publication is under way; its descriptor may have been closed since.
    struct Pending {
        int socket = -1;
        const char* what = nullptr;
        std::chrono::steady_clock::time_point deadline;
    };

    void admit();
    void serve_clients(std::span<const pollfd> polled);
    [[nodiscard]] bool serve_one(Client& client);
    [[nodiscard]] bool welcome(const Client& client);
    [[nodiscard]] bool
    take_publication(const Client& client, std::span<const std::byte> message, int descriptor);
    [[nodiscard]] bool
    take_amendment(const Client& client, std::span<const std::byte> message, int descriptor);
    [[nodiscard]] bool refuse(const Client& client, const char* what, const Refusal& refusal) const;
    void await(const Client& client, const char* what);
    [[nodiscard]] bool begin_capture(const Client& client, std::span<const std::byte> message);
    void advance_publication();
    [[nodiscard]] bool answer(int socket, PublishStatus status, const std::string& message) const;
    void disconnect(std::size_t index);

    ListeningSocket socket_;
    Publisher& publisher_;
    CounterMemory& counters_;
    CaptureDesk* captures_;
    std::vector<Client> clients_;
    std::optional<Pending> pending_;
    int shadow_owner_ = -1;  // the client whose shadow policy is on, -1: none
    bool shadow_orphaned_ = false;
};

}  // namespace portcullis::dataplane
