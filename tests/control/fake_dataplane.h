// A dataplane without frames: answers the intake protocol and lets a test write the counters. Its thread
// ends with the object; so does its socket, as if the process had died.
#pragma once

#include "control/counter_mapping.h"
#include "control/file_descriptor.h"
#include "rules/active_table.h"
#include "rules/beside_counters.h"
#include "rules/counter_layout.h"
#include "rules/image.h"
#include "rules/intake_protocol.h"
#include "rules/overlay.h"
#include "rules/watch_table.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <vector>

namespace portcullis::test {

// A folder of its own for each test, removed with all it holds.
class TempFolder {
public:
    TempFolder();
    TempFolder(const TempFolder&) = delete;
    TempFolder& operator=(const TempFolder&) = delete;
    TempFolder(TempFolder&&) = delete;
    TempFolder& operator=(TempFolder&&) = delete;
    ~TempFolder();

    [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }

private:
    std::filesystem::path path_;
};

// The memory of counters as a dataplane lays it out, writable.
class CounterMemory {
public:
    CounterMemory(
        unsigned workers,
        std::uint32_t slot_capacity,
        std::uint64_t instance,
        std::uint32_t active_places = 64,
        std::uint32_t watch_places = 256
    );
    CounterMemory(const CounterMemory&) = delete;
    CounterMemory& operator=(const CounterMemory&) = delete;
    CounterMemory(CounterMemory&&) = delete;
    CounterMemory& operator=(CounterMemory&&) = delete;
    ~CounterMemory();

    [[nodiscard]] CounterHeader& header() noexcept {
        return *reinterpret_cast<CounterHeader*>(base_);
    }

    [[nodiscard]] WorkerCounters& worker(unsigned worker) noexcept;
    [[nodiscard]] Slots slots(unsigned worker) noexcept;
    [[nodiscard]] Slots::Slot slot(unsigned worker, std::uint32_t slot) noexcept;
    // What the exemption at a place of the overlay let pass.
    [[nodiscard]] ExemptionCounters& exemption(unsigned worker, OverlayPlace place) noexcept;

    // The table of active subscribers, as a worker uses it.
    [[nodiscard]] ActiveTable active(unsigned worker) noexcept;
    // The counters of a place of the table.
    [[nodiscard]] Slots::Slot active_slot(unsigned worker, std::uint32_t place) noexcept;

    // The table of subscribers under watch, as a worker uses it. Another call, another budget of entries.
    [[nodiscard]] WatchTable watch(unsigned worker) noexcept;

    // The same memory as clients map it.
    [[nodiscard]] std::shared_ptr<const CounterMapping> map() const;

    [[nodiscard]] const FileDescriptor& file() const noexcept { return file_; }

    [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }

private:
    FileDescriptor file_;
    std::byte* base_ = nullptr;
    std::size_t bytes_ = 0;
};

struct FakeOptions {
    unsigned workers = 2;
    std::uint32_t slot_capacity = 1024;
    std::uint64_t instance = 1;
    bool answer_hello = true;
    bool answer_publish = true;
    unsigned refuse_first = 0;  // this many images, for too many slots
    std::uint32_t protocol_version = kIntakeVersion;
    std::uint32_t image_version = kImageVersion;
};

class FakeDataplane {
public:
    using Options = FakeOptions;

    struct Image {
        std::uint64_t generation = 0;
        std::vector<std::byte> bytes;    // the image's
        std::vector<std::byte> overlay;  // behind it
        bool keep_shadow = false;
        int seals = 0;
    };

    explicit FakeDataplane(std::filesystem::path socket, const Options& options = {});
    FakeDataplane(const FakeDataplane&) = delete;
    FakeDataplane& operator=(const FakeDataplane&) = delete;
    FakeDataplane(FakeDataplane&&) = delete;
    FakeDataplane& operator=(FakeDataplane&&) = delete;
    ~FakeDataplane();

    [[nodiscard]] CounterMemory& counters() noexcept { return counters_; }

    // The images taken so far, refused ones included.
    [[nodiscard]] std::vector<Image> images() const;

    struct Amended {
        Amend message;
        std::vector<std::byte> bytes;
    };

    // The amendments taken so far, refused ones included.
    [[nodiscard]] std::vector<Amended> amendments() const;

    // How the next images and amendments are answered. `message` is why they are refused.
    void answer_with(PublishStatus status, std::string message = "");

    // Amendments are taken from now on, and not answered.
    void stop_answering();

private:
    void serve();
    void serve_client(int client);
    void answer_hello(int client);
    void answer_publish(int client, const Publish& message, FileDescriptor image);
    void answer_amend(int client, const Amend& message, FileDescriptor bytes);

    std::filesystem::path path_;
    Options options_;
    CounterMemory counters_;
    FileDescriptor listener_;
    FileDescriptor stop_;  // an eventfd
    mutable std::mutex mutex_;
    std::vector<Image> images_;                        // guarded by mutex_
    std::vector<Amended> amendments_;                  // guarded by mutex_
    PublishStatus status_ = PublishStatus::effective;  // guarded by mutex_
    std::string message_;                              // guarded by mutex_
    bool answering_ = true;                            // guarded by mutex_
    std::uint64_t checksum_ = 0;                       // of the running image; the serving thread's
    std::uint64_t overlay_checksum_ = 0;               // likewise
    std::uint64_t shadows_ = 0;                        // begun so far; likewise
    std::thread thread_;
};

}  // namespace portcullis::test
