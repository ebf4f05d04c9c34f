#include "control/http_server.h"

#include <microhttpd.h>
#include <nlohmann/json.hpp>
#include <spdlog/spdlog.h>
#include <sys/socket.h>

#include <array>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <exception>
#include <mutex>
#include <string_view>
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
        if (reply.status == MHD_HTTP_METHOD_NOT_ALLOWED) {
            MHD_add_response_header(out.get(), MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
        }
    }
    return out;
}

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
    std::vsnprintf(line.data(), line.size(), format, arguments);
    std::string_view text(line.data());
    while (!text.empty() && text.back() == '\n') {
        text.remove_suffix(1);
    }
    spdlog::debug("http: {}", text);
}

}  // namespace

HttpReply http_error(unsigned status, const std::string& what, const std::string& cure) {
    nlohmann::ordered_json body = {{"error", what}};
    if (!cure.empty()) {
        body["cure"] = cure;
    }
    HttpReply out;
    out.status = status;
    // Bytes of a request may stand in the text: what is no UTF-8 is replaced, not thrown at.
    out.body = body.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
    return out;
}

class HttpServer::Impl {
public:
    Impl(HttpHandler handler, const HttpLimits& limits)
        : handler_(std::move(handler))
        , limits_(limits) {}

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
        daemon_ = MHD_start_daemon(
            MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ERROR_LOG,
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
                const MHD_ConnectionInfo* const info =
                    MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
                // Its thread sees the end and closes. The descriptor cannot be another one's: before it is
                // closed, on_connection waits for the mutex.
                ::shutdown(info->connect_fd, SHUT_RDWR);
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
        void**,
        MHD_RequestTerminationCode
    ) noexcept {
        auto& impl = *static_cast<Impl*>(self);
        const std::lock_guard lock(impl.mutex_);
        if (const auto found = impl.since_.find(connection); found != impl.since_.end()) {
            found->second = Clock::now();
        }
    }

    // The parameters are those of MHD_AccessHandlerCallback.
    // NOLINTNEXTLINE(readability-function-size)
    static MHD_Result handle(
        void* self,
        MHD_Connection* connection,
        const char* url,
        const char* method,
        const char*,
        const char*,
        std::size_t* upload_bytes,
        void** request_state
    ) noexcept {
        auto& impl = *static_cast<Impl*>(self);
        const std::string_view verb(method);
        if (verb != MHD_HTTP_METHOD_GET && verb != MHD_HTTP_METHOD_HEAD) {
            return refuse(
                connection, MHD_HTTP_METHOD_NOT_ALLOWED, "this method is not served", "use GET"
            );
        }
        if (*request_state == nullptr) {
            *request_state = &impl;  // the headers are here; the answer comes with the next call
            return announces_body(connection) ? refuse(
                       connection,
                       MHD_HTTP_CONTENT_TOO_LARGE,
                       "a request with a body is not served",
                       "send none"
                   )
                                              : MHD_YES;
        }
        *upload_bytes = 0;
        return impl.answer(connection, url);
    }

    static bool announces_body(MHD_Connection* connection) noexcept {
        const char* const length = MHD_lookup_connection_value(
            connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH
        );
        const char* const encoding = MHD_lookup_connection_value(
            connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_TRANSFER_ENCODING
        );
        return encoding != nullptr || (length != nullptr && std::string_view(length) != "0");
    }

    static MHD_Result refuse(
        MHD_Connection* connection,
        unsigned status,
        const char* what,
        const char* cure
    ) noexcept {
        try {
            const Response response = response_of(http_error(status, what, cure));
            return response ? MHD_queue_response(connection, status, response.get()) : MHD_NO;
        } catch (const std::exception&) {
            return MHD_NO;
        }
    }

    MHD_Result answer(MHD_Connection* connection, const char* url) noexcept {
        try {
            HttpRequest request;
            request.path = url;
            MHD_get_connection_values(
                connection, MHD_GET_ARGUMENT_KIND, &add_argument, &request.arguments
            );
            HttpReply reply = handler_(request);
            const unsigned status = reply.status;
            const Response response = response_of(std::move(reply));
            return response ? MHD_queue_response(connection, status, response.get()) : MHD_NO;
        } catch (const std::exception& error) {
            spdlog::error("http: {}: {}", url, error.what());
            return refuse(
                connection, MHD_HTTP_INTERNAL_SERVER_ERROR, "this went wrong here", "see the log"
            );
        }
    }

    HttpHandler handler_;
    HttpLimits limits_;
    MHD_Daemon* daemon_ = nullptr;
    std::mutex mutex_;
    // Since when each connection owes us a request, or we owe it an answer. Guarded by mutex_.
    std::unordered_map<MHD_Connection*, Clock::time_point> since_;
};

Result<std::unique_ptr<HttpServer>>
HttpServer::serve(FileDescriptor listener, HttpHandler handler, const HttpLimits& limits) {
    auto impl = std::make_unique<Impl>(std::move(handler), limits);
    if (!impl->start(std::move(listener))) {
        return Error{
            {}, "cannot start the HTTP server", "raise the limits of threads and open files"};
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
