#include "control/http_server.h"

#include <microhttpd.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>

#include <array>
#include <atomic>
#include <charconv>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <exception>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <unordered_map>
#include <utility>

namespace portcullis {

namespace {

using Clock = std::chrono::steady_clock;

// Threads that answer; each waits for many connections at once.
constexpr unsigned kThreads = 2;
constexpr std::size_t kStreamBlockBytes = std::size_t{64} << 10U;

// What a stream needs between two calls of libmicrohttpd.
struct StreamState {
    std::unique_ptr<HttpStream> stream;
    std::string piece;
    std::size_t sent = 0;  // of piece
    bool ended = false;
};

ssize_t read_stream(void* closure, std::uint64_t, char* out, std::size_t room) noexcept {
    auto& state = *static_cast<StreamState*>(closure);
    try {
        while (state.sent == state.piece.size()) {
            if (state.ended) {
                return MHD_CONTENT_READER_END_OF_STREAM;
            }
            state.piece.clear();
            state.sent = 0;
            state.ended = !state.stream->append_piece(state.piece);
        }
    } catch (const std::exception& error) {
        spdlog::error("http: {}", error.what());
        return MHD_CONTENT_READER_END_WITH_ERROR;
    }
    const std::size_t count = std::min(room, state.piece.size() - state.sent);
    std::memcpy(out, state.piece.data() + state.sent, count);
    state.sent += count;
    return static_cast<ssize_t>(count);
}

void free_stream(void* closure) noexcept {
    const std::unique_ptr<StreamState> owned(static_cast<StreamState*>(closure));
}

struct ResponseDeleter {
    void operator()(MHD_Response* response) const noexcept { MHD_destroy_response(response); }
};

using Response = std::unique_ptr<MHD_Response, ResponseDeleter>;

Response response_of(HttpReply reply) {
    Response out;
    if (reply.stream) {
        auto state = std::make_unique<StreamState>();
        state->stream = std::move(reply.stream);
        out.reset(MHD_create_response_from_callback(
            MHD_SIZE_UNKNOWN, kStreamBlockBytes, &read_stream, state.get(), &free_stream
        ));
        if (out) {
            static_cast<void>(state.release());  // libmicrohttpd's: free_stream
        }
    } else {
        out.reset(MHD_create_response_from_buffer(
            reply.body.size(), reply.body.data(), MHD_RESPMEM_MUST_COPY
        ));
    }
    if (out) {
        MHD_add_response_header(out.get(), MHD_HTTP_HEADER_CONTENT_TYPE, reply.content_type);
        MHD_add_response_header(out.get(), MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
        MHD_add_response_header(out.get(), "X-Content-Type-Options", "nosniff");
        if (!reply.content_security_policy.empty()) {
            MHD_add_response_header(
                out.get(), "Content-Security-Policy", reply.content_security_policy.c_str()
            );
        }
        if (!reply.allow.empty()) {
            MHD_add_response_header(out.get(), MHD_HTTP_HEADER_ALLOW, reply.allow.c_str());
        }
        if (!reply.authenticate.empty()) {
            MHD_add_response_header(
                out.get(), MHD_HTTP_HEADER_WWW_AUTHENTICATE, reply.authenticate.c_str()
            );
        }
    }
    return out;
}

// Its clients have no addresses.
bool is_unix(int listener) noexcept {
    int domain = 0;
    socklen_t length = sizeof(domain);
    return ::getsockopt(listener, SOL_SOCKET, SO_DOMAIN, &domain, &length) == 0
           && domain == AF_UNIX;
}

HttpMethod method_of(std::string_view verb) {
    if (verb == MHD_HTTP_METHOD_GET || verb == MHD_HTTP_METHOD_HEAD) {
        return HttpMethod::get;
    }
    for (const HttpMethod method : {HttpMethod::post, HttpMethod::put, HttpMethod::remove}) {
        if (verb == label(method)) {
            return method;
        }
    }
    return HttpMethod::other;
}

// The memory that the bodies of all requests share.
class BodyBudget {
public:
    explicit BodyBudget(std::size_t bytes)
        : left_(bytes) {}

    [[nodiscard]] bool take(std::size_t bytes) noexcept {
        std::size_t left = left_.load(std::memory_order_relaxed);
        while (left >= bytes) {
            if (left_.compare_exchange_weak(left, left - bytes, std::memory_order_relaxed)) {
                return true;
            }
        }
        return false;
    }

    void give_back(std::size_t bytes) noexcept {
        left_.fetch_add(bytes, std::memory_order_relaxed);
    }

private:
    std::atomic<std::size_t> left_;  // any thread
};

// A request between its head and its end. One thread at a time.
struct RequestState {
    explicit RequestState(BodyBudget& shared)
        : budget(shared) {}

    RequestState(const RequestState&) = delete;
    RequestState& operator=(const RequestState&) = delete;
    RequestState(RequestState&&) = delete;
    RequestState& operator=(RequestState&&) = delete;

    ~RequestState() { budget.give_back(body_bytes); }

    HttpRequest request;
    BodyBudget& budget;
    std::size_t body_bytes = 0;  // announced, and taken from the budget
};

MHD_Result add_argument(void* closure, MHD_ValueKind, const char* key, const char* value) noexcept {
    auto& arguments = *static_cast<std::map<std::string, std::string>*>(closure);
    try {
        arguments.insert_or_assign(key, value != nullptr ? value : "");
    } catch (const std::exception&) {
        return MHD_NO;
    }
    return MHD_YES;
}

[[gnu::format(printf, 2, 0)]] void
log_line(void*, const char* format, std::va_list arguments) noexcept {
    std::array<char, 512> line{};
    (void)std::vsnprintf(line.data(), line.size(), format, arguments);
    std::string_view text(line.data());
    while (!text.empty() && text.back() == '\n') {
        text.remove_suffix(1);
    }
    spdlog::debug("http: {}", text);
}

}  // namespace

class HttpServer::Impl {
public:
    Impl(const HttpRouter& router, const HttpLimits& limits, HttpGuard guard)
        : router_(router)
        , limits_(limits)
        , guard_(std::move(guard))
        , budget_(limits.body_bytes) {}

    Impl(const Impl&) = delete;
    Impl& operator=(const Impl&) = delete;
    Impl(Impl&&) = delete;
    Impl& operator=(Impl&&) = delete;

    ~Impl() {
        if (daemon_ != nullptr) {
            MHD_stop_daemon(daemon_);  // closes the listener, waits for the threads
        }
    }

    [[nodiscard]] bool start(FileDescriptor listener) {
        // libmicrohttpd copies what the key and the certificate hold.
        const std::array<MHD_OptionItem, 3> tls = {
            {{MHD_OPTION_HTTPS_MEM_CERT, 0, guard_.certificate.data()},
             {MHD_OPTION_HTTPS_MEM_KEY, 0, guard_.key.data()},
             {MHD_OPTION_END, 0, nullptr}}};
        const std::array<MHD_OptionItem, 1> plain = {{{MHD_OPTION_END, 0, nullptr}}};
        const bool encrypted = !guard_.certificate.empty();
        daemon_ = MHD_start_daemon(
            MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ERROR_LOG
                | (encrypted ? static_cast<unsigned>(MHD_USE_TLS) : 0U),
            0,
            nullptr,
            nullptr,
            &Impl::handle,
            this,
            MHD_OPTION_EXTERNAL_LOGGER,
            &log_line,
            nullptr,
            MHD_OPTION_LISTEN_SOCKET,
            listener.get(),
            MHD_OPTION_THREAD_POOL_SIZE,
            kThreads,
            MHD_OPTION_CONNECTION_LIMIT,
            limits_.connections,
            MHD_OPTION_PER_IP_CONNECTION_LIMIT,
            is_unix(listener.get()) ? 0 : limits_.connections_of_one,  // 0: no limit
            MHD_OPTION_CONNECTION_MEMORY_LIMIT,
            limits_.request_bytes,
            MHD_OPTION_CONNECTION_TIMEOUT,
            static_cast<unsigned>(limits_.idle.count()),
            MHD_OPTION_STRICT_FOR_CLIENT,
            1,
            MHD_OPTION_NOTIFY_CONNECTION,
            &Impl::on_connection,
            this,
            MHD_OPTION_NOTIFY_COMPLETED,
            &Impl::on_completed,
            this,
            MHD_OPTION_ARRAY,
            encrypted ? tls.data() : plain.data(),
            MHD_OPTION_END
        );
        if (daemon_ != nullptr) {
            static_cast<void>(listener.release());  // libmicrohttpd's now
        }
        return daemon_ != nullptr;
    }

    void end_overdue() {
        const Clock::time_point limit = Clock::now() - limits_.request;
        const std::lock_guard lock(mutex_);
        for (const auto& [connection, since] : since_) {
            if (since < limit) {
                // Its thread sees the end and closes. The descriptor cannot be another one's: before it is
                // closed, on_connection waits for the mutex.
                ::shutdown(descriptor_of(connection), SHUT_RDWR);
            }
        }
    }

private:
    static void on_connection(
        void* self,
        MHD_Connection* connection,
        void**,
        MHD_ConnectionNotificationCode code
    ) noexcept {
        auto& impl = *static_cast<Impl*>(self);
        const std::lock_guard lock(impl.mutex_);
        if (code == MHD_CONNECTION_NOTIFY_STARTED) {
            impl.since_[connection] = Clock::now();
        } else {
            impl.since_.erase(connection);
        }
    }

    static void on_completed(
        void* self,
        MHD_Connection* connection,
        void** request_state,
        MHD_RequestTerminationCode
    ) noexcept {
        auto& impl = *static_cast<Impl*>(self);
        const std::unique_ptr<RequestState> owned(static_cast<RequestState*>(*request_state));
        const std::lock_guard lock(impl.mutex_);
        if (const auto found = impl.since_.find(connection); found != impl.since_.end()) {
            found->second = Clock::now();
        }
    }

    // The parameters are those of MHD_AccessHandlerCallback: called once with the head, then with every piece of the
    // body, then without one.
    // NOLINTNEXTLINE(readability-function-size)
    static MHD_Result handle(
        void* self,
        MHD_Connection* connection,
        const char* url,
        const char* method,
        const char*,
        const char* piece,
        std::size_t* piece_bytes,
        void** request_state
    ) noexcept {
        auto& impl = *static_cast<Impl*>(self);
        try {
            if (*request_state == nullptr) {
                auto state = std::make_unique<RequestState>(impl.budget_);
                if (auto refusal = impl.take_head(connection, url, method, *state)) {
                    return queue(connection, *std::move(refusal));
                }
                *request_state = state.release();  // on_completed
                return MHD_YES;
            }
            auto& state = *static_cast<RequestState*>(*request_state);
            if (*piece_bytes != 0) {
                state.request.body.append(piece, *piece_bytes);
                *piece_bytes = 0;
                return MHD_YES;
            }
            return queue(connection, impl.router_.answer(state.request));
        } catch (const std::exception& error) {
            spdlog::error("http: {}: {}", url, error.what());
            return went_wrong(connection);
        }
    }

    // Fills `state`; a reply when the request is refused before its body is read.
    [[nodiscard]] std::optional<HttpReply> take_head(
        MHD_Connection* connection,
        const char* url,
        const char* method,
        RequestState& state
    ) {
        HttpRequest& request = state.request;
        request.method = method_of(method);
        request.path = url;
        MHD_get_connection_values(
            connection, MHD_GET_ARGUMENT_KIND, &add_argument, &request.arguments
        );
        if (request.method != HttpMethod::get) {
            request.peer = peer_of(descriptor_of(connection));
        }
        if (guard_.login
            && !guard_.login->admits(header(connection, MHD_HTTP_HEADER_AUTHORIZATION).value_or("")
            )) {
            HttpReply refusal = http_error(
                MHD_HTTP_UNAUTHORIZED,
                "a login is needed here",
                "send a user and password, or a token; the Unix socket needs none"
            );
            refusal.authenticate = guard_.login->challenge();
            return refusal;
        }
        HttpAdmission admission = router_.admit(request);
        if (admission.refusal) {
            return std::move(admission.refusal);
        }
        return take_length(connection, admission.body_bytes_max, state);
    }

    // A body's length is known before its first byte, or it is refused.
    [[nodiscard]] static std::optional<HttpReply>
    take_length(MHD_Connection* connection, std::size_t most, RequestState& state) {
        if (header(connection, MHD_HTTP_HEADER_TRANSFER_ENCODING)) {
            return http_error(
                MHD_HTTP_LENGTH_REQUIRED,
                "a body without a length is not taken",
                "send Content-Length, not chunks"
            );
        }
        const std::string_view text =
            header(connection, MHD_HTTP_HEADER_CONTENT_LENGTH).value_or("0");
        std::size_t length = 0;
        const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), length);
        if (failure != std::errc{} || end != text.data() + text.size() || length > most) {
            return http_error(
                MHD_HTTP_CONTENT_TOO_LARGE,
                "the body is too long",
                most == 0 ? "send none" : "send at most " + std::to_string(most) + " bytes"
            );
        }
        if (!state.budget.take(length)) {
            return http_error(
                MHD_HTTP_SERVICE_UNAVAILABLE,
                "other requests have taken the memory for bodies",
                "try again when they are done"
            );
        }
        state.body_bytes = length;
        state.request.body.reserve(length);
        return std::nullopt;
    }

    static std::optional<std::string_view>
    header(MHD_Connection* connection, const char* name) noexcept {
        const char* const found = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
        return found == nullptr ? std::nullopt : std::optional<std::string_view>(found);
    }

    static int descriptor_of(MHD_Connection* connection) noexcept {
        return MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    }

    static MHD_Result queue(MHD_Connection* connection, HttpReply reply) {
        const unsigned status = reply.status;
        const Response response = response_of(std::move(reply));
        return response ? MHD_queue_response(connection, status, response.get()) : MHD_NO;
    }

    static MHD_Result went_wrong(MHD_Connection* connection) noexcept {
        try {
            return queue(
                connection,
                http_error(MHD_HTTP_INTERNAL_SERVER_ERROR, "this went wrong here", "see the log")
            );
        } catch (const std::exception&) {
            return MHD_NO;
        }
    }

    const HttpRouter& router_;
    HttpLimits limits_;
    HttpGuard guard_;
    BodyBudget budget_;
    MHD_Daemon* daemon_ = nullptr;
    std::mutex mutex_;
    // Since when each connection owes us a request, or we owe it an answer. Guarded by mutex_.
    std::unordered_map<MHD_Connection*, Clock::time_point> since_;
};

Result<std::unique_ptr<HttpServer>> HttpServer::serve(
    FileDescriptor listener,
    const HttpRouter& router,
    const HttpLimits& limits,
    HttpGuard guard
) {
    const bool encrypted = !guard.certificate.empty();
    auto impl = std::make_unique<Impl>(router, limits, std::move(guard));
    if (!impl->start(std::move(listener))) {
        return Error{
            {},
            "cannot start the HTTP server",
            encrypted ? "see that the certificate and the key are PEM and belong together"
                      : "raise the limits of threads and open files"};
    }
    return std::unique_ptr<HttpServer>(new HttpServer(std::move(impl)));
}

HttpServer::HttpServer(std::unique_ptr<Impl> impl)
    : impl_(std::move(impl)) {}

HttpServer::~HttpServer() = default;

void HttpServer::end_overdue() {
    impl_->end_overdue();
}

}  // namespace portcullis
