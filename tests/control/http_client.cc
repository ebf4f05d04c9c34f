#include "tests/control/http_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <cstring>
#include <stdexcept>

namespace portcullis::test {

namespace {

void require(bool holds, const char* what) {
    if (!holds) {
        throw std::runtime_error(std::string("http client: ") + what);
    }
}

std::string join_chunks(const std::string& chunked) {
    std::string out;
    std::size_t at = 0;
    for (;;) {
        const std::size_t line_end = chunked.find("\r\n", at);
        require(line_end != std::string::npos, "chunk without size");
        const std::size_t size = std::stoul(chunked.substr(at, line_end - at), nullptr, 16);
        if (size == 0) {
            return out;
        }
        require(line_end + 2 + size <= chunked.size(), "chunk cut short");
        out += chunked.substr(line_end + 2, size);
        at = line_end + 2 + size + 2;
    }
}

}  // namespace

HttpClient HttpClient::over_tcp(std::uint16_t port, std::uint8_t host) {
    FileDescriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK - 1 + host);
    const auto* const generic = reinterpret_cast<const sockaddr*>(&address);
    require(::bind(socket.get(), generic, sizeof(address)) == 0, "bind");
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    require(::connect(socket.get(), generic, sizeof(address)) == 0, "connect");
    return HttpClient(std::move(socket));
}

HttpClient HttpClient::over_unix(const std::filesystem::path& path) {
    FileDescriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.c_str(), path.native().size() + 1);
    const auto* const generic = reinterpret_cast<const sockaddr*>(&address);
    require(::connect(socket.get(), generic, sizeof(address)) == 0, "connect");
    return HttpClient(std::move(socket));
}

bool HttpClient::send(const std::string& bytes) {
    std::size_t done = 0;
    while (done < bytes.size()) {
        const ssize_t sent =
            ::send(socket_.get(), bytes.data() + done, bytes.size() - done, MSG_NOSIGNAL);
        if (sent <= 0) {
            return false;
        }
        done += static_cast<std::size_t>(sent);
    }
    return true;
}

std::string HttpClient::read_to_end(std::chrono::milliseconds limit) {
    std::string out;
    std::array<char, 65'536> piece{};
    pollfd waiting{socket_.get(), POLLIN, 0};
    while (::poll(&waiting, 1, static_cast<int>(limit.count())) > 0) {
        const ssize_t got = ::recv(socket_.get(), piece.data(), piece.size(), 0);
        if (got <= 0) {
            break;
        }
        out.append(piece.data(), static_cast<std::size_t>(got));
    }
    return out;
}

std::string HttpClient::read_some(std::size_t bytes, std::chrono::milliseconds limit) {
    std::string out(bytes, '\0');
    pollfd waiting{socket_.get(), POLLIN, 0};
    if (::poll(&waiting, 1, static_cast<int>(limit.count())) <= 0) {
        return {};
    }
    const ssize_t got = ::recv(socket_.get(), out.data(), bytes, 0);
    out.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
    return out;
}

bool HttpClient::closes_within(std::chrono::milliseconds limit) {
    const auto end = std::chrono::steady_clock::now() + limit;
    for (;;) {
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
            end - std::chrono::steady_clock::now()
        );
        pollfd waiting{socket_.get(), POLLIN, 0};
        if (left.count() <= 0 || ::poll(&waiting, 1, static_cast<int>(left.count())) <= 0) {
            return false;
        }
        std::array<char, 65'536> ignored{};
        if (::recv(socket_.get(), ignored.data(), ignored.size(), 0) <= 0) {
            return true;
        }
    }
}

HttpAnswer parse_answer(const std::string& bytes) {
    HttpAnswer out;
    const std::size_t head_end = bytes.find("\r\n\r\n");
    require(bytes.starts_with("HTTP/1.1 ") && head_end != std::string::npos, "no answer");
    out.status = static_cast<unsigned>(std::stoul(bytes.substr(9, 3)));
    out.headers = bytes.substr(0, head_end);
    out.body = bytes.substr(head_end + 4);
    if (out.headers.find("Transfer-Encoding: chunked") != std::string::npos) {
        out.body = join_chunks(out.body);
    }
    return out;
}

HttpAnswer get(HttpClient client, const std::string& target) {
    client.send("GET " + target + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    return parse_answer(client.read_to_end());
}

}  // namespace portcullis::test
