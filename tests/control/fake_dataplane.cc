#include "tests/control/fake_dataplane.h"

#include "rules/amendment.h"
#include "rules/image.h"
#include "rules/overlay.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <new>
#include <stdexcept>
#include <utility>

namespace portcullis::test {

namespace {

void require(bool holds, const char* what) {
    if (!holds) {
        throw std::runtime_error(std::string("fake dataplane: ") + what);
    }
}

std::size_t page_up(std::size_t bytes) {
    constexpr std::size_t kPage = 4096;
    return (bytes + kPage - 1) / kPage * kPage;
}

// `message`, with a descriptor if `descriptor` >= 0. A client that has gone is no fault of the fake.
void send_message(int socket, const void* message, std::size_t bytes, int descriptor = -1) {
    iovec part{const_cast<void*>(message), bytes};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
    msghdr envelope{};
    envelope.msg_iov = &part;
    envelope.msg_iovlen = 1;
    if (descriptor >= 0) {
        envelope.msg_control = control.data();
        envelope.msg_controllen = control.size();
        cmsghdr* const rights = CMSG_FIRSTHDR(&envelope);
        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN(sizeof(int));
        std::memcpy(CMSG_DATA(rights), &descriptor, sizeof(descriptor));
    }
    static_cast<void>(::sendmsg(socket, &envelope, MSG_NOSIGNAL));
}

std::vector<std::byte> read_part(int file, std::uint64_t offset, std::uint64_t bytes) {
    std::vector<std::byte> out(bytes);
    require(
        ::pread(file, out.data(), out.size(), static_cast<off_t>(offset))
                == static_cast<ssize_t>(out.size())
            || bytes == 0,
        "fewer bytes than announced"
    );
    return out;
}

std::uint64_t checksum_of_overlay(std::span<const std::byte> overlay) {
    OverlayHeader header;
    if (overlay.size() < sizeof(header)) {
        return 0;
    }
    std::memcpy(&header, overlay.data(), sizeof(header));
    return header.checksum;
}

}  // namespace

TempFolder::TempFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "portcullis-XXXXXX").string();
    require(::mkdtemp(name.data()) != nullptr, "mkdtemp");
    path_ = name;
}

TempFolder::~TempFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
}

CounterMemory::CounterMemory(
    unsigned workers,
    std::uint32_t slot_capacity,
    std::uint64_t instance,
    std::uint32_t active_places,
    std::uint32_t watch_places
) {
    const std::size_t workers_offset = page_up(sizeof(CounterHeader));
    const std::size_t first_slots = page_up(workers_offset + workers * sizeof(WorkerCounters));
    const std::size_t stride =
        page_up(Slots::bytes_for(std::size_t{slot_capacity} + active_places));
    const std::size_t first_active = first_slots + workers * stride;
    const std::size_t active_stride = page_up(active_places * sizeof(ActiveEntry));
    const std::size_t first_exemptions = first_active + workers * active_stride;
    const std::size_t exemptions_stride = kOverlayPlaces * sizeof(ExemptionCounters);
    const std::size_t first_shadow = first_exemptions + workers * exemptions_stride;
    const std::size_t first_watch =
        page_up(first_shadow + std::size_t{workers} * kShadowBlocks * sizeof(ShadowCounters));
    const std::size_t watch_stride = page_up(watch_table_bytes(watch_places));
    bytes_ = first_watch + workers * watch_stride;
    file_ = FileDescriptor(::memfd_create("fake-counters", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    require(file_ && ::ftruncate(file_.get(), static_cast<off_t>(bytes_)) == 0, "memfd");
    void* const base = ::mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_SHARED, file_.get(), 0);
    require(base != MAP_FAILED, "mmap");
    require(
        ::fcntl(file_.get(), F_ADD_SEALS, F_SEAL_FUTURE_WRITE | F_SEAL_SHRINK | F_SEAL_GROW) == 0,
        "seal"
    );
    base_ = static_cast<std::byte*>(base);
    auto* const header = new (base_) CounterHeader;
    header->worker_count = workers;
    header->slot_capacity = slot_capacity;
    header->instance = instance;
    header->tsc_hz = 1'000'000'000;
    header->memory_bytes = bytes_;
    header->workers_offset = workers_offset;
    header->slots_offset = first_slots;
    header->slots_stride = stride;
    header->active_offset = first_active;
    header->active_stride = active_stride;
    header->active_places = active_places;
    header->exemptions_offset = first_exemptions;
    header->exemptions_stride = exemptions_stride;
    header->shadow_offset = first_shadow;
    header->watch_offset = first_watch;
    header->watch_stride = watch_stride;
    header->watch_places = watch_places;
}

CounterMemory::~CounterMemory() {
    ::munmap(base_, bytes_);
}

WorkerCounters& CounterMemory::worker(unsigned worker) noexcept {
    return *reinterpret_cast<WorkerCounters*>(base_ + worker_offset(header(), worker));
}

Slots CounterMemory::slots(unsigned worker) noexcept {
    return {
        base_ + slots_offset(header(), worker),
        std::size_t{header().slot_capacity} + header().active_places};
}

Slots::Slot CounterMemory::slot(unsigned worker, std::uint32_t slot) noexcept {
    return slots(worker)[slot];
}

ExemptionCounters& CounterMemory::exemption(unsigned worker, OverlayPlace place) noexcept {
    auto* const first =
        reinterpret_cast<ExemptionCounters*>(base_ + exemptions_offset(header(), worker));
    return first[place];
}

ActiveTable CounterMemory::active(unsigned worker) noexcept {
    auto* const entries = reinterpret_cast<ActiveEntry*>(base_ + active_offset(header(), worker));
    return {
        std::span(entries, header().active_places),
        slots(worker).part(header().slot_capacity, header().active_places)};
}

Slots::Slot CounterMemory::active_slot(unsigned worker, std::uint32_t place) noexcept {
    return slot(worker, header().slot_capacity + place);
}

WatchTable CounterMemory::watch(unsigned worker) noexcept {
    return {base_ + watch_offset(header(), worker), header().watch_places, header().instance};
}

std::shared_ptr<const CounterMapping> CounterMemory::map() const {
    auto mapping = CounterMapping::map(file_, bytes_);
    require(mapping.has_value(), "map");
    return std::move(mapping).value();
}

FakeDataplane::FakeDataplane(std::filesystem::path socket, const Options& options)
    : path_(std::move(socket))
    , options_(options)
    , counters_(options.workers, options.slot_capacity, options.instance)
    , listener_(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0))
    , stop_(::eventfd(0, EFD_CLOEXEC)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    require(path_.native().size() < sizeof(address.sun_path), "path too long");
    std::memcpy(address.sun_path, path_.c_str(), path_.native().size() + 1);
    std::filesystem::remove(path_);
    const auto* const generic = reinterpret_cast<const sockaddr*>(&address);
    require(::bind(listener_.get(), generic, sizeof(address)) == 0, "bind");
    require(::listen(listener_.get(), 8) == 0, "listen");
    thread_ = std::thread([this] { serve(); });
}

FakeDataplane::~FakeDataplane() {
    const std::uint64_t one = 1;
    static_cast<void>(::write(stop_.get(), &one, sizeof(one)));
    thread_.join();
    std::error_code ignored;
    std::filesystem::remove(path_, ignored);
}

std::vector<FakeDataplane::Image> FakeDataplane::images() const {
    const std::lock_guard lock(mutex_);
    return images_;
}

std::vector<FakeDataplane::Amended> FakeDataplane::amendments() const {
    const std::lock_guard lock(mutex_);
    return amendments_;
}

void FakeDataplane::stop_answering() {
    const std::lock_guard lock(mutex_);
    answering_ = false;
}

void FakeDataplane::answer_with(PublishStatus status, std::string message) {
    const std::lock_guard lock(mutex_);
    status_ = status;
    message_ = std::move(message);
}

void FakeDataplane::serve() {
    std::vector<FileDescriptor> clients;
    for (;;) {
        std::vector<pollfd> waiting{{stop_.get(), POLLIN, 0}, {listener_.get(), POLLIN, 0}};
        for (const FileDescriptor& client : clients) {
            waiting.push_back({client.get(), POLLIN, 0});
        }
        if (::poll(waiting.data(), waiting.size(), -1) < 0) {
            continue;
        }
        if (waiting[0].revents != 0) {
            return;
        }
        for (std::size_t i = 2; i < waiting.size(); ++i) {
            if (waiting[i].revents != 0) {
                serve_client(waiting[i].fd);
            }
        }
        if (waiting[1].revents != 0) {
            clients.emplace_back(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
        }
    }
}

void FakeDataplane::serve_client(int client) {
    std::array<std::byte, 256> buffer{};
    iovec part{buffer.data(), buffer.size()};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
    msghdr envelope{};
    envelope.msg_iov = &part;
    envelope.msg_iovlen = 1;
    envelope.msg_control = control.data();
    envelope.msg_controllen = control.size();
    const ssize_t length = ::recvmsg(client, &envelope, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (length < static_cast<ssize_t>(sizeof(IntakeHead))) {
        ::shutdown(client, SHUT_RDWR);
        return;
    }
    FileDescriptor descriptor;
    if (const cmsghdr* const rights = CMSG_FIRSTHDR(&envelope)) {
        int raw = -1;
        std::memcpy(&raw, CMSG_DATA(rights), sizeof(raw));
        descriptor = FileDescriptor(raw);
    }
    IntakeHead head;
    std::memcpy(&head, buffer.data(), sizeof(head));
    if (head.type == IntakeType::hello && options_.answer_hello) {
        answer_hello(client);
    }
    if (head.type == IntakeType::publish && options_.answer_publish) {
        Publish message;
        std::memcpy(&message, buffer.data(), sizeof(message));
        answer_publish(client, message, std::move(descriptor));
    } else if (head.type == IntakeType::amend && options_.answer_publish) {
        Amend message;
        std::memcpy(&message, buffer.data(), sizeof(message));
        answer_amend(client, message, std::move(descriptor));
    }
}

void FakeDataplane::answer_hello(int client) {
    Welcome welcome;
    welcome.head.version = options_.protocol_version;
    welcome.instance = options_.instance;
    welcome.generation = counters_.header().generation.load();
    welcome.image_checksum = checksum_;
    welcome.overlay_checksum = overlay_checksum_;
    welcome.shadow_number = counters_.header().shadow_number.load();
    welcome.counter_bytes = counters_.bytes();
    welcome.image_version = options_.image_version;
    welcome.slot_capacity = options_.slot_capacity;
    send_message(client, &welcome, sizeof(welcome), counters_.file().get());
}

void FakeDataplane::answer_publish(int client, const Publish& message, FileDescriptor image) {
    Image taken;
    taken.generation = message.generation;
    taken.seals = ::fcntl(image.get(), F_GET_SEALS);
    taken.bytes = read_part(image.get(), 0, message.image_bytes);
    taken.overlay = read_part(image.get(), message.image_bytes, message.overlay_bytes);
    taken.keep_shadow = message.keep_shadow != 0;
    const std::lock_guard lock(mutex_);
    Published answer;
    answer.status = status_;
    if (images_.size() < options_.refuse_first) {
        answer.status = PublishStatus::too_many_slots;
    } else if (status_ == PublishStatus::effective
        && message.generation <= counters_.header().generation.load()) {
        answer.status = PublishStatus::stale_generation;
    }
    if (answer.status == PublishStatus::effective) {
        ImageHeader header;
        if (taken.bytes.size() >= sizeof(header)) {
            std::memcpy(&header, taken.bytes.data(), sizeof(header));
            checksum_ = header.checksum;
            const std::uint64_t used = counters_.header().slots_used.load();
            counters_.header().slots_used.store(std::max<std::uint64_t>(used, header.slot_count));
        }
        overlay_checksum_ = checksum_of_overlay(taken.overlay);
        if (!taken.keep_shadow) {
            counters_.header().shadow_number.store(0);
        }
        counters_.header().generation.store(message.generation);
    }
    answer.generation = counters_.header().generation.load();
    message_.copy(answer.message.data(), answer.message.size() - 1);
    images_.push_back(std::move(taken));
    send_message(client, &answer, sizeof(answer));
}

void FakeDataplane::answer_amend(int client, const Amend& message, FileDescriptor bytes) {
    Amended taken;
    taken.message = message;
    taken.bytes = read_part(bytes.get(), 0, bytes_with(message));
    const std::lock_guard lock(mutex_);
    Published answer;
    answer.status = status_;
    if (status_ == PublishStatus::effective
        && message.generation != counters_.header().generation.load()) {
        answer.status = PublishStatus::stale_generation;
    }
    if (answer.status == PublishStatus::effective) {
        overlay_checksum_ =
            checksum_of_overlay(std::span<const std::byte>(taken.bytes).first(message.overlay_bytes)
            );
        if (message.shadow != ShadowChange::keep) {
            const bool begins = message.shadow == ShadowChange::begin;
            counters_.header().shadow_number.store(begins ? ++shadows_ : 0);
        }
    }
    answer.generation = counters_.header().generation.load();
    message_.copy(answer.message.data(), answer.message.size() - 1);
    amendments_.push_back(std::move(taken));
    if (answering_) {
        send_message(client, &answer, sizeof(answer));
    }
}

}  // namespace portcullis::test
