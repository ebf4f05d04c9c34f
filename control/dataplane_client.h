// The client's side of rules/intake_protocol.h: connects to a dataplane, maps its counters, publishes images.
// One thread at a time; every call ends by its deadline. Used by portcullis-control and `portcullis replay`.
#pragma once

#include "control/capture_mapping.h"
#include "control/counter_mapping.h"
#include "control/file_descriptor.h"
#include "rules/intake_protocol.h"
#include "rules/result.h"
#include "rules/units.h"

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>

namespace portcullis {

// What the dataplane answered to an image.
struct PublishAnswer {
    PublishStatus status = PublishStatus::effective;
    Generation running;   // effective on every worker
    std::string message;  // why it was refused; empty when effective

    [[nodiscard]] bool effective() const noexcept { return status == PublishStatus::effective; }
};

// What shall stand beside the running image.
struct Amendment {
    std::span<const std::byte> overlay;  // empty: none
    ShadowChange shadow = ShadowChange::keep;
    std::span<const std::byte> shadow_image;    // to begin one
    std::span<const std::byte> shadow_overlay;  // empty: none
};

class DataplaneClient {
public:
    // Connects to the intake socket `path`, says Hello and maps the counters.
    [[nodiscard]] static Result<DataplaneClient>
    connect(const std::filesystem::path& path, std::chrono::milliseconds timeout);

    // What the dataplane said of itself when the connection was made.
    [[nodiscard]] const Welcome& welcome() const noexcept { return welcome_; }

    [[nodiscard]] const std::shared_ptr<const CounterMapping>& counters() const noexcept {
        return counters_;
    }

    // Hands over an image with its overlay as a sealed memfd and waits until it is effective on every worker, or refused.
    // An error means that nobody knows: the connection is closed, and another one tells.
    [[nodiscard]] Result<PublishAnswer> publish(
        Generation generation,
        std::span<const std::byte> image,
        std::chrono::milliseconds timeout,
        std::span<const std::byte> overlay = {},
        bool keep_shadow = false
    );

    // The same for what stands beside the image of `generation`, which must be the running one.
    [[nodiscard]] Result<PublishAnswer>
    amend(Generation generation, const Amendment& amendment, std::chrono::milliseconds timeout);

    // From now on, until this connection ends, judged frames that `filter` wants come into the rings.
    [[nodiscard]] Result<CaptureMapping>
    capture(const CaptureFilter& filter, std::chrono::milliseconds timeout);

    // False once the dataplane has closed the connection, ended or died, or a call has failed. Never waits.
    [[nodiscard]] bool is_connected();

    // To poll for POLLIN and POLLHUP: between calls it becomes readable only when the dataplane has gone.
    // -1 once the connection is closed.
    [[nodiscard]] int descriptor() const noexcept { return socket_.get(); }

private:
    DataplaneClient(std::filesystem::path path, FileDescriptor socket)
        : path_(std::move(path))
        , socket_(std::move(socket)) {}

    template <typename Message>
    [[nodiscard]] Result<PublishAnswer>
    ask(const Message& message, int descriptor, std::chrono::milliseconds timeout);

    std::filesystem::path path_;
    FileDescriptor socket_;
    Welcome welcome_;
    std::shared_ptr<const CounterMapping> counters_;
};

}  // namespace portcullis
