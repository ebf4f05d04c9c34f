// Who may have the socket's name, and who may speak through it. The latter needs root, to be somebody else.
#include "dataplane/unix_socket.h"

#include "tests/dataplane/support.h"

#include <catch2/catch.hpp>

#include <grp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <string>

using namespace portcullis;
using namespace portcullis::dataplane;
using namespace portcullis::dataplane::test;

namespace {

constexpr uid_t kStranger = 65'534;
constexpr gid_t kStrangersGroup = 65'534;
constexpr gid_t kOperators = 4'242;

sockaddr_un address_of(const std::filesystem::path& path) {
    sockaddr_un out{};
    out.sun_family = AF_UNIX;
    path.native().copy(out.sun_path, sizeof(out.sun_path) - 1);
    return out;
}

// A child that connects as another user, and waits until it is killed.
class OtherUser {
public:
    OtherUser(const std::filesystem::path& path, gid_t group, gid_t supplementary)
        : child_(::fork()) {
        if (child_ == 0) {
            const sockaddr_un address = address_of(path);
            const int socket = ::socket(AF_UNIX, SOCK_SEQPACKET, 0);
            const bool connected =
                ::setgroups(1, &supplementary) == 0 && ::setgid(group) == 0
                && ::setuid(kStranger) == 0
                && ::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof(address))
                       == 0;
            if (connected) {
                ::pause();
            }
            ::_exit(1);
        }
    }

    ~OtherUser() {
        ::kill(child_, SIGKILL);
        ::waitpid(child_, nullptr, 0);
    }

    OtherUser(const OtherUser&) = delete;
    OtherUser& operator=(const OtherUser&) = delete;
    OtherUser(OtherUser&&) = delete;
    OtherUser& operator=(OtherUser&&) = delete;

private:
    pid_t child_;
};

FileDescriptor wait_for_client(const ListeningSocket& socket) {
    for (unsigned i = 0; i < 500; ++i) {
        FileDescriptor client = socket.accept();
        if (client.is_open()) {
            return client;
        }
        ::usleep(10'000);
    }
    FAIL("nobody connects");
    return {};
}

}  // namespace

TEST_CASE("a socket that a dead process left is replaced, one that lives is not") {
    const TempFolder folder;
    const std::filesystem::path path = folder / "s";
    {
        const sockaddr_un address = address_of(path);
        const FileDescriptor dead(::socket(AF_UNIX, SOCK_SEQPACKET, 0));
        REQUIRE(
            ::bind(dead.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0
        );
    }
    REQUIRE(std::filesystem::exists(path));
    const Result<ListeningSocket> first = ListeningSocket::open(path);
    REQUIRE(first.has_value());
    const Result<ListeningSocket> second = ListeningSocket::open(path);
    REQUIRE_FALSE(second.has_value());
    CHECK(second.errors().front().message.find("another process") != std::string::npos);
    CHECK(std::filesystem::exists(path));
}

TEST_CASE("a file that is no socket is left alone") {
    const TempFolder folder;
    const std::filesystem::path path = folder / "s";
    std::ofstream(path) << "precious";
    const Result<ListeningSocket> socket = ListeningSocket::open(path);
    REQUIRE_FALSE(socket.has_value());
    CHECK(std::filesystem::file_size(path) == 8);
}

TEST_CASE("a path that cannot be a socket gets an error with a cure") {
    const TempFolder folder;
    CHECK_FALSE(ListeningSocket::open(folder / std::string(200, 'x')).has_value());
    CHECK_FALSE(ListeningSocket::open(folder / "no" / "such").has_value());
    CHECK_FALSE(ListeningSocket::open("").has_value());
}

TEST_CASE("the file goes with the socket, and only owner and group may use it") {
    const TempFolder folder;
    const std::filesystem::path path = folder / "s";
    {
        const Result<ListeningSocket> socket = ListeningSocket::open(path);
        REQUIRE(socket.has_value());

        struct stat status {};

        REQUIRE(::stat(path.c_str(), &status) == 0);
        CHECK((status.st_mode & 0777) == 0660);
    }
    CHECK_FALSE(std::filesystem::exists(path));
}

TEST_CASE("only our user, root, and members of the socket's group may speak") {
    if (::geteuid() != 0) {
        WARN("not checked: only root can be somebody else");
        return;
    }
    const TempFolder folder;
    const std::filesystem::path path = folder / "s";
    const Result<ListeningSocket> opened = ListeningSocket::open(path);
    REQUIRE(opened.has_value());
    const ListeningSocket& socket = opened.value();
    // The file's mode would keep strangers out already; it is not all that does.
    REQUIRE(::chmod(path.parent_path().c_str(), 0755) == 0);
    REQUIRE(::chmod(path.c_str(), 0666) == 0);
    REQUIRE(::chown(path.c_str(), 0, kOperators) == 0);
    SECTION("ourselves") {
        const FileDescriptor client(::socket(AF_UNIX, SOCK_SEQPACKET, 0));
        const sockaddr_un address = address_of(path);
        REQUIRE(
            ::connect(client.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address))
            == 0
        );
        CHECK(socket.allows(wait_for_client(socket).get()));
    }
    SECTION("a stranger") {
        const OtherUser other(path, kStrangersGroup, kStrangersGroup);
        CHECK_FALSE(socket.allows(wait_for_client(socket).get()));
    }
    SECTION("a member by its first group") {
        const OtherUser other(path, kOperators, kStrangersGroup);
        CHECK(socket.allows(wait_for_client(socket).get()));
    }
    SECTION("a member by another of its groups") {
        const OtherUser other(path, kStrangersGroup, kOperators);
        CHECK(socket.allows(wait_for_client(socket).get()));
    }
}
