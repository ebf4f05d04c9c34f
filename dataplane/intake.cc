#include "dataplane/intake.h"

#include "rules/amendment.h"
#include "rules/image.h"
#include "rules/publication.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

namespace portcullis::dataplane {

namespace {

using Clock = std::chrono::steady_clock;

// While a publication is under way, workers are looked at this often.
constexpr std::chrono::milliseconds kPublicationPoll{1};

template <typename Message>
std::span<const std::byte> bytes_of(const Message& message) {
    return std::as_bytes(std::span<const Message, 1>(&message, 1));
}

IntakeHead head_of(std::span<const std::byte> message) {
    IntakeHead head;
    head.magic = 0;
    if (message.size() >= sizeof(head)) {
        std::memcpy(&head, message.data(), sizeof(head));
    }
    return head;
}

}  // namespace

Intake::Intake(
    ListeningSocket socket,
    Publisher& publisher,
    CounterMemory& counters,
    CaptureDesk* captures
)
    : socket_(std::move(socket))
    , publisher_(publisher)
    , counters_(counters)
    , captures_(captures) {}

std::optional<int> Intake::serve(std::span<const int> wakeups, std::chrono::milliseconds timeout) {
    const Clock::time_point end = Clock::now() + timeout;
    std::vector<pollfd> polled;
    for (;;) {
        polled.clear();
        for (const int wakeup : wakeups) {
            polled.push_back({wakeup, POLLIN, 0});
        }
        polled.push_back({socket_.descriptor(), POLLIN, 0});
        for (const Client& client : clients_) {
            polled.push_back({client.socket.get(), POLLIN, 0});
        }
        auto wait = std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now());
        if (pending_.has_value()) {
            wait = std::min(wait, kPublicationPoll);
        }
        const int ready = ::poll(
            polled.data(), polled.size(), static_cast<int>(std::max<std::int64_t>(wait.count(), 0))
        );
        // First of all: when the workers are done, so is the publication that a client waits for.
        advance_publication();
        for (std::size_t i = 0; ready > 0 && i < wakeups.size(); ++i) {
            if (polled[i].revents != 0) {
                return wakeups[i];
            }
        }
        if (ready > 0) {
            serve_clients(std::span<const pollfd>(polled).subspan(wakeups.size() + 1));
            if (polled[wakeups.size()].revents != 0) {
                admit();
            }
        }
        if (Clock::now() >= end) {
            return std::nullopt;
        }
    }
}

void Intake::admit() {
    FileDescriptor client = socket_.accept();
    if (!client.is_open()) {
        return;
    }
    if (!socket_.allows(client.get())) {
        spdlog::warn(
            "a client was turned away: neither our user, nor root, nor of the socket's group"
        );
        return;
    }
    if (clients_.size() >= kClientsMax) {
        spdlog::warn("a client was turned away: {} are connected already", clients_.size());
        return;
    }
    clients_.push_back({std::move(client), false});
}

// `polled` are the clients, in order. Backwards, so that who leaves does not move who comes.
void Intake::serve_clients(std::span<const pollfd> polled) {
    for (std::size_t i = polled.size(); i-- > 0;) {
        if (polled[i].revents != 0 && !serve_one(clients_[i])) {
            disconnect(i);
        }
    }
}

void Intake::disconnect(std::size_t index) {
    if (pending_.has_value() && pending_->socket == clients_[index].socket.get()) {
        pending_->socket = -1;  // the publication goes on; nobody is told
    }
    if (shadow_owner_ == clients_[index].socket.get()) {
        // Who would read what it counts is gone. It ends when no publication is under way.
        shadow_owner_ = -1;
        shadow_orphaned_ = true;
    }
    if (captures_ != nullptr) {
        captures_->end(clients_[index].socket.get());
    }
    clients_.erase(clients_.begin() + static_cast<std::ptrdiff_t>(index));
}

// One message of `client`; false if the connection is to be closed.
bool Intake::serve_one(Client& client) {
    std::array<std::byte, 256> buffer{};
    const Received received = receive_message(client.socket.get(), buffer);
    if (received.status == Received::Status::nothing_yet) {
        return true;
    }
    if (received.status == Received::Status::closed) {
        return false;
    }
    const std::span<const std::byte> message = std::span(buffer).first(received.size);
    const IntakeHead head = head_of(message);
    if (head.magic != kIntakeMagic) {
        return false;
    }
    // Of another version we understand the head only: it learns ours from the answer.
    if (head.type == IntakeType::hello) {
        client.greeted = head.version == kIntakeVersion && message.size() == sizeof(Hello);
        return welcome(client) && client.greeted;
    }
    if (!client.greeted || head.version != kIntakeVersion) {
        return false;
    }
    switch (head.type) {
    case IntakeType::publish: return take_publication(client, message, received.descriptor.get());
    case IntakeType::amend: return take_amendment(client, message, received.descriptor.get());
    case IntakeType::capture: return begin_capture(client, message);
    default: return false;
    }
}

bool Intake::welcome(const Client& client) {
    const CounterHeader& header = counters_.header();
    Welcome out;
    out.instance = header.instance;
    out.generation = publisher_.effective().value;
    out.image_checksum = publisher_.effective_checksum();
    out.overlay_checksum = publisher_.effective_overlay_checksum();
    out.shadow_number = publisher_.shadow_number();
    out.counter_bytes = header.memory_bytes;
    out.image_version = kImageVersion;
    out.slot_capacity = header.slot_capacity;
    return send_message(client.socket.get(), bytes_of(out), counters_.descriptor());
}

bool Intake::take_publication(
    const Client& client,
    std::span<const std::byte> message,
    int descriptor
) {
    const std::optional<Publish> publish = read_publication(message);
    if (!publish.has_value()) {
        return false;
    }
    if (const auto refusal = publisher_.begin(*publish, descriptor)) {
        return refuse(client, "policy", *refusal);
    }
    if (publish->keep_shadow == 0) {
        shadow_owner_ = -1;
    }
    await(client, "policy");
    return true;
}

bool Intake::take_amendment(
    const Client& client,
    std::span<const std::byte> message,
    int descriptor
) {
    const std::optional<Amend> amend = read_amendment(message);
    if (!amend.has_value()) {
        return false;
    }
    if (const auto refusal = publisher_.amend(*amend, descriptor)) {
        return refuse(client, "exemptions or shadow", *refusal);
    }
    if (amend->shadow != ShadowChange::keep) {
        const bool begins = amend->shadow == ShadowChange::begin;
        shadow_owner_ = begins ? client.socket.get() : -1;
        spdlog::info("a shadow policy {}", begins ? "begins" : "has ended");
    }
    await(client, "exemptions or shadow");
    return true;
}

bool Intake::refuse(const Client& client, const char* what, const Refusal& refusal) const {
    spdlog::warn("{} refused, {}: {}", what, label(refusal.status), refusal.message);
    return answer(client.socket.get(), refusal.status, refusal.message);
}

void Intake::await(const Client& client, const char* what) {
    pending_ = Pending{client.socket.get(), what, Clock::now() + kEffectiveWithin};
    advance_publication();
}

bool Intake::begin_capture(const Client& client, std::span<const std::byte> message) {
    Capture capture;
    if (message.size() != sizeof(capture) || captures_ == nullptr) {
        return false;
    }
    std::memcpy(&capture, message.data(), sizeof(capture));
    const Result<int> memory = captures_->begin(client.socket.get(), capture.filter);
    Capturing out;
    if (!memory) {
        const std::string why = to_string(memory.errors().front());
        why.copy(out.message.data(), out.message.size() - 1);
        return send_message(client.socket.get(), bytes_of(out));
    }
    spdlog::info("a client captures judged frames");
    out.capture_bytes = captures_->bytes();
    return send_message(client.socket.get(), bytes_of(out), memory.value());
}

void Intake::advance_publication() {
    const bool under_way = publisher_.under_way();
    if (!under_way && std::exchange(shadow_orphaned_, false) && publisher_.shadow_number() != 0
        && shadow_owner_ < 0) {
        publisher_.end_shadow();
        spdlog::info("a shadow policy has ended with the connection that began it");
    }
    if (!pending_.has_value() || (under_way && Clock::now() < pending_->deadline)) {
        return;
    }
    const Pending done = *std::exchange(pending_, std::nullopt);
    if (!under_way) {
        spdlog::info("{} effective, generation {}", done.what, publisher_.effective().value);
        // A client that does not read its answer finds out from the counters, or when it asks again.
        (void)answer(done.socket, PublishStatus::effective, {});
        return;
    }
    const std::string message = "worker " + std::to_string(publisher_.first_behind().value_or(0))
                                + " has not taken the policy within "
                                + std::to_string(kEffectiveWithin.count())
                                + " s; it takes effect when the worker goes on";
    spdlog::error("{}: {}", done.what, message);
    (void)answer(done.socket, PublishStatus::busy, message);
}

bool Intake::answer(int socket, PublishStatus status, const std::string& message) const {
    if (socket < 0) {
        return true;
    }
    Published out;
    out.generation = publisher_.effective().value;
    out.status = status;
    message.copy(out.message.data(), out.message.size() - 1);
    return send_message(socket, bytes_of(out));
}

}  // namespace portcullis::dataplane
