#include "control/dataplane_client.h"

#include "control/add_seals.h"
#include "rules/image.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <initializer_list>
#include <optional>
#include <system_error>
#include <thread>

namespace portcullis {

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

std::string why_errno(int number) {
    return std::generic_category().message(number);
}

// A call's deadline, and the words for when it has passed.
struct Deadline {
    Clock::time_point at;
    milliseconds timeout;

    explicit Deadline(milliseconds length)
        : at(Clock::now() + length)
        , timeout(length) {}

    [[nodiscard]] int left_ms() const {
        const auto left = std::chrono::ceil<milliseconds>(at - Clock::now()).count();
        return static_cast<int>(std::clamp<milliseconds::rep>(left, 0, 3'600'000));
    }
};

Error timed_out(const std::filesystem::path& path, const Deadline& deadline) {
    return {
        {},
        "the dataplane at " + path.string() + " did not answer within "
            + std::to_string(deadline.timeout.count()) + " ms",
        "see the log of portcullis-dataplane"};
}

Error has_gone(const std::filesystem::path& path) {
    return {
        {},
        "the dataplane at " + path.string() + " closed the connection",
        "see the log of portcullis-dataplane; start it again if it has ended"};
}

Error connect_error(const std::filesystem::path& path, int number) {
    switch (number) {
    case ENOENT:
    case ECONNREFUSED:
        return {
            {},
            "no dataplane listens at " + path.string(),
            "start portcullis-dataplane, or give --dataplane-socket"};
    case EACCES:
    case EPERM:
        return {
            {},
            "not allowed to connect to the dataplane at " + path.string(),
            "run as a user of the group that owns this socket"};
    case EPROTOTYPE:
        return {
            {},
            path.string() + " is a socket, but not that of a dataplane",
            "give the dataplane's socket with --dataplane-socket"};
    default:
        return {
            {},
            "cannot connect to the dataplane at " + path.string() + ": " + why_errno(number),
            "give the dataplane's socket with --dataplane-socket"};
    }
}

// Waits until `socket` is ready for `events`, or has an error or end to report. False: the deadline came
// first.
bool wait_for(int socket, short events, const Deadline& deadline) {
    for (;;) {
        pollfd waiting{socket, events, 0};
        const int ready = ::poll(&waiting, 1, deadline.left_ms());
        if (ready > 0) {
            return true;
        }
        if (ready == 0 && Clock::now() >= deadline.at) {
            return false;
        }
    }
}

// Connects a non-blocking socket. 0, or the errno; EAGAIN when the deadline came first.
int connect_by(int socket, const sockaddr_un& address, const Deadline& deadline) {
    const auto* const generic = reinterpret_cast<const sockaddr*>(&address);
    for (;;) {
        if (::connect(socket, generic, sizeof(address)) == 0) {
            return 0;
        }
        // EAGAIN: the listener's backlog is full. poll() does not tell when that ends.
        if ((errno != EAGAIN && errno != EINTR) || deadline.left_ms() == 0) {
            return errno;
        }
        std::this_thread::sleep_for(milliseconds(5));
    }
}

// One message, with a descriptor if `descriptor` >= 0.
template <typename Message>
std::optional<Error> send_by(
    int socket,
    const Message& message,
    int descriptor,
    const std::filesystem::path& path,
    const Deadline& deadline
) {
    iovec part{const_cast<Message*>(&message), sizeof(message)};
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
    while (::sendmsg(socket, &envelope, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
        if (errno != EAGAIN && errno != EINTR) {
            return has_gone(path);
        }
        if (!wait_for(socket, POLLOUT, deadline)) {
            return timed_out(path, deadline);
        }
    }
    return std::nullopt;
}

template <typename Message>
struct Received {
    Message message;
    FileDescriptor descriptor;
};

FileDescriptor take_descriptor(msghdr& envelope) {
    FileDescriptor out;
    for (cmsghdr* part = CMSG_FIRSTHDR(&envelope); part != nullptr;
         part = CMSG_NXTHDR(&envelope, part)) {
        if (part->cmsg_level == SOL_SOCKET && part->cmsg_type == SCM_RIGHTS
            && part->cmsg_len == CMSG_LEN(sizeof(int))) {
            int raw = -1;
            std::memcpy(&raw, CMSG_DATA(part), sizeof(raw));
            out = FileDescriptor(raw);
        }
    }
    return out;
}

// One message of exactly this type.
template <typename Message>
Result<Received<Message>>
receive_by(int socket, const std::filesystem::path& path, const Deadline& deadline) {
    Received<Message> out;
    const IntakeType expected = out.message.head.type;
    iovec part{&out.message, sizeof(Message)};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
    msghdr envelope{};
    envelope.msg_iov = &part;
    envelope.msg_iovlen = 1;
    envelope.msg_control = control.data();
    envelope.msg_controllen = control.size();
    ssize_t length = 0;
    while ((length = ::recvmsg(socket, &envelope, MSG_DONTWAIT | MSG_CMSG_CLOEXEC)) < 0) {
        if (errno != EAGAIN && errno != EINTR) {
            return has_gone(path);
        }
        if (!wait_for(socket, POLLIN, deadline)) {
            return timed_out(path, deadline);
        }
    }
    out.descriptor = take_descriptor(envelope);
    if (length == 0) {
        return has_gone(path);
    }
    const IntakeHead& head = out.message.head;
    if (static_cast<std::size_t>(length) != sizeof(Message) || head.magic != kIntakeMagic
        || head.version != kIntakeVersion || head.type != expected) {
        return Error{
            {},
            "the dataplane at " + path.string() + " speaks another protocol",
            "run portcullis-dataplane and portcullis-control of the same release"};
    }
    return out;
}

bool write_whole(int file, std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
        const ssize_t written = ::write(file, bytes.data(), bytes.size());
        if (written < 0 && errno != EINTR) {
            return false;
        }
        bytes = bytes.subspan(static_cast<std::size_t>(std::max<ssize_t>(written, 0)));
    }
    return true;
}

// `parts`, one behind the other, in a file that nobody can change any more.
Result<FileDescriptor> sealed_memfd(std::initializer_list<std::span<const std::byte>> parts) {
    FileDescriptor file(::memfd_create("portcullis-image", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    constexpr int kAllSeals = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL;
    bool written = static_cast<bool>(file);
    std::size_t bytes = 0;
    for (const std::span<const std::byte> part : parts) {
        written = written && write_whole(file.get(), part);
        bytes += part.size();
    }
    if (!written || !add_seals(file.get(), kAllSeals)) {
        return Error{
            {},
            "cannot hold the image of " + std::to_string(bytes)
                + " bytes in memory: " + why_errno(errno),
            "give the process more memory"};
    }
    return file;
}

}  // namespace

Result<DataplaneClient>
DataplaneClient::connect(const std::filesystem::path& path, milliseconds timeout) {
    const Deadline deadline(timeout);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.native().size() >= sizeof(address.sun_path)) {
        return Error{
            {},
            "the socket's path " + path.string() + " is too long",
            "use one of at most " + std::to_string(sizeof(address.sun_path) - 1) + " bytes"};
    }
    std::memcpy(address.sun_path, path.c_str(), path.native().size() + 1);

    FileDescriptor socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!socket) {
        return Error{{}, "cannot make a socket: " + why_errno(errno), "raise the limit of files"};
    }
    if (const int number = connect_by(socket.get(), address, deadline); number != 0) {
        return number == EAGAIN ? timed_out(path, deadline) : connect_error(path, number);
    }
    if (auto error = send_by(socket.get(), Hello{}, -1, path, deadline)) {
        return *std::move(error);
    }
    auto welcome = receive_by<Welcome>(socket.get(), path, deadline);
    if (!welcome) {
        return welcome.errors();
    }
    const Welcome& message = welcome.value().message;
    if (message.image_version != kImageVersion) {
        return Error{
            {},
            "the dataplane at " + path.string() + " reads images of version "
                + std::to_string(message.image_version) + ", this program makes version "
                + std::to_string(kImageVersion),
            "run portcullis-dataplane and portcullis-control of the same release"};
    }
    auto counters = CounterMapping::map(welcome.value().descriptor, message.counter_bytes);
    if (!counters) {
        return counters.errors();
    }
    DataplaneClient out(path, std::move(socket));
    out.welcome_ = message;
    out.counters_ = std::move(counters).value();
    return out;
}

Result<PublishAnswer> DataplaneClient::publish(
    Generation generation,
    std::span<const std::byte> image,
    milliseconds timeout,
    std::span<const std::byte> overlay,
    bool keep_shadow
) {
    auto file = sealed_memfd({image, overlay});
    if (!file) {
        return file.errors();
    }
    Publish message;
    message.generation = generation.value;
    message.image_bytes = image.size();
    message.overlay_bytes = overlay.size();
    message.keep_shadow = keep_shadow ? 1 : 0;
    return ask(message, file.value().get(), timeout);
}

Result<PublishAnswer>
DataplaneClient::amend(Generation generation, const Amendment& amendment, milliseconds timeout) {
    auto file = sealed_memfd({amendment.overlay, amendment.shadow_image, amendment.shadow_overlay});
    if (!file) {
        return file.errors();
    }
    Amend message;
    message.generation = generation.value;
    message.overlay_bytes = amendment.overlay.size();
    message.shadow_image_bytes = amendment.shadow_image.size();
    message.shadow_overlay_bytes = amendment.shadow_overlay.size();
    message.shadow = amendment.shadow;
    return ask(message, file.value().get(), timeout);
}

// Sends `message` and waits for its answer.
template <typename Message>
Result<PublishAnswer>
DataplaneClient::ask(const Message& message, int descriptor, milliseconds timeout) {
    if (!socket_) {
        return has_gone(path_);
    }
    const Deadline deadline(timeout);
    if (auto error = send_by(socket_.get(), message, descriptor, path_, deadline)) {
        socket_ = FileDescriptor();
        return *std::move(error);
    }
    auto answer = receive_by<Published>(socket_.get(), path_, deadline);
    if (!answer) {
        // A late answer would be taken for that of the next image.
        socket_ = FileDescriptor();
        return answer.errors();
    }
    const Published& published = answer.value().message;
    const auto end = std::find(published.message.begin(), published.message.end(), '\0');
    return PublishAnswer{
        published.status,
        Generation{published.generation},
        std::string(published.message.begin(), end)};
}

Result<CaptureMapping> DataplaneClient::capture(const CaptureFilter& filter, milliseconds timeout) {
    if (!socket_) {
        return has_gone(path_);
    }
    const Deadline deadline(timeout);
    Capture message;
    message.filter = filter;
    if (auto error = send_by(socket_.get(), message, -1, path_, deadline)) {
        socket_ = FileDescriptor();
        return *std::move(error);
    }
    auto answer = receive_by<Capturing>(socket_.get(), path_, deadline);
    if (!answer) {
        socket_ = FileDescriptor();
        return answer.errors();
    }
    const Capturing& capturing = answer.value().message;
    if (capturing.capture_bytes == 0) {
        const auto end = std::find(capturing.message.begin(), capturing.message.end(), '\0');
        return Error{
            {},
            "the dataplane at " + path_.string()
                + " does not capture: " + std::string(capturing.message.begin(), end),
            ""};
    }
    return CaptureMapping::map(answer.value().descriptor, capturing.capture_bytes);
}

bool DataplaneClient::is_connected() {
    if (!socket_) {
        return false;
    }
    std::byte ignored{};
    const ssize_t length = ::recv(socket_.get(), &ignored, 1, MSG_DONTWAIT | MSG_PEEK);
    // Between calls the dataplane has nothing to say: a message is as bad as the end.
    if (length >= 0 || (errno != EAGAIN && errno != EINTR)) {
        socket_ = FileDescriptor();
    }
    return static_cast<bool>(socket_);
}

}  // namespace portcullis
