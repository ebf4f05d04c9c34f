// Who may read over TCP: right, wrong and malformed credentials, and files that are no place for secrets.
#include "control/http_login.h"

#include "tests/control/fake_dataplane.h"

#include <catch2/catch.hpp>

#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <string>

using namespace portcullis;
using portcullis::test::TempFolder;

namespace {

// openssl passwd -6 -salt salt secret
constexpr const char* kHash = "$6$salt$egUxKNxDs8kPfh8iPMNcosMhb2eWah6d3R44JDm5Rj/j/"
                              "XWR5E33QPd0YmHXoDHOIDR6kL5D3JcQcz0O8FHE00";
constexpr const char* kToken = "0123456789abcdef0123456789abcdef";

std::filesystem::path
secret_file(const std::filesystem::path& path, const std::string& text, mode_t mode = 0600) {
    std::ofstream(path) << text;
    REQUIRE(::chmod(path.c_str(), mode) == 0);
    return path;
}

std::string
problem_of(const std::filesystem::path& passwords, const std::filesystem::path& tokens) {
    const auto read = HttpLogin::read(passwords, tokens);
    return read ? "" : to_string(read.errors());
}

}  // namespace

TEST_CASE("right credentials are admitted, wrong and malformed ones are not") {
    const TempFolder folder;
    const auto read = HttpLogin::read(
        secret_file(folder.path() / "users", "# who\nann:" + std::string(kHash) + "\n"),
        secret_file(folder.path() / "tokens", std::string(kToken) + "\r\n")
    );
    REQUIRE(read);
    const HttpLogin& login = *read.value();
    CHECK(login.admits("Basic YW5uOnNlY3JldA=="));  // ann:secret
    CHECK(login.admits("bASIC   YW5uOnNlY3JldA=="));
    CHECK(login.admits("Bearer " + std::string(kToken)));
    for (const std::string& wrong : {
             std::string(),
             std::string("Basic"),
             std::string("Basic "),
             std::string("Basic YW5uOndyb25n"),      // ann:wrong
             std::string("Basic Ym9iOnNlY3JldA=="),  // bob:secret
             std::string("Basic YW5u"),              // ann
             std::string("Basic YW5uOg=="),          // ann:
             std::string("Basic YW5uOnNlY3JldAB4"),  // ann:secret\0x
             std::string("Basic YW5uOnNlY3JldA"),
             std::string("Basic !!!!"),
             "Basic " + std::string(100'000, 'A'),
             std::string("Bearer"),
             std::string("Bearer "),
             "Bearer " + std::string(kToken).substr(1),
             "Bearer " + std::string(kToken) + "0",
             "Bearer " + std::string(kToken) + std::string(kToken),
             "Basic " + std::string(kToken),
             "Digest " + std::string(kToken),
             std::string(kToken),
         }) {
        INFO(wrong.substr(0, 100));
        CHECK_FALSE(login.admits(wrong));
    }
    CHECK(
        login.challenge()
        == "Basic realm=\"portcullis\", charset=\"UTF-8\", Bearer realm=\"portcullis\""
    );
}

TEST_CASE("tokens alone do not let passwords in, and the other way about") {
    const TempFolder folder;
    const auto users = secret_file(folder.path() / "users", "ann:" + std::string(kHash) + "\n");
    const auto tokens = secret_file(folder.path() / "tokens", std::string(kToken) + "\n");
    const auto only_tokens = HttpLogin::read({}, tokens);
    REQUIRE(only_tokens);
    CHECK_FALSE(only_tokens.value()->admits("Basic YW5uOnNlY3JldA=="));
    CHECK(only_tokens.value()->admits("Bearer " + std::string(kToken)));
    const auto only_users = HttpLogin::read(users, {});
    REQUIRE(only_users);
    CHECK_FALSE(only_users.value()->admits("Bearer " + std::string(kToken)));
    CHECK_FALSE(only_users.value()->admits("Bearer "));
}

TEST_CASE("files that others can read, or that hold no secrets, are refused") {
    const TempFolder folder;
    const auto path = folder.path() / "users";
    const std::string good = "ann:" + std::string(kHash) + "\n";
    for (const mode_t mode : {0644U, 0604U, 0620U, 0602U, 0601U}) {
        CHECK_THAT(
            problem_of(secret_file(path, good, mode), {}), Catch::Contains("others could read it")
        );
    }
    CHECK(problem_of(secret_file(path, good, 0640), {}).empty());
    CHECK_THAT(
        problem_of(secret_file(path, "\nann:secret\n"), {}),
        Catch::Contains("users:2: no user:hash (make the hash with openssl")
    );
    CHECK_THAT(problem_of(secret_file(path, "ann\n"), {}), Catch::Contains("no user:hash"));
    CHECK_THAT(problem_of(secret_file(path, "ann:$99$x$y\n"), {}), Catch::Contains("no user:hash"));
    CHECK_THAT(problem_of(secret_file(path, "# nobody\n"), {}), Catch::Contains("nobody is in it"));
    CHECK_THAT(problem_of(folder.path() / "absent", {}), Catch::Contains("No such file"));
    CHECK_THAT(problem_of({}, secret_file(path, "short\n")), Catch::Contains("no token"));
    CHECK_THAT(
        problem_of({}, secret_file(path, std::string(kToken) + " " + kToken + "\n")),
        Catch::Contains("no token")
    );
}

TEST_CASE("base64 is that of RFC 4648") {
    for (const auto& [text, bytes] : {
             std::pair{"", ""},
             std::pair{"Zg==", "f"},
             std::pair{"Zm8=", "fo"},
             std::pair{"Zm9v", "foo"},
             std::pair{"Zm9vYg==", "foob"},
             std::pair{"+/+/", "\xfb\xff\xbf"},
         }) {
        const auto decoded = decode_base64(text);
        REQUIRE(decoded);
        CHECK(decoded.value() == bytes);
    }
    for (const char* const wrong : {"Z", "Zg", "Zg=", "====", "=Zg=", "Zg==Zg==", "Zm9-", "Zm9 "}) {
        INFO(wrong);
        CHECK_FALSE(decode_base64(wrong));
    }
}

TEST_CASE("texts are equal when all their bytes are") {
    CHECK(equal_in_constant_time("", ""));
    CHECK(equal_in_constant_time("abc", "abc"));
    CHECK_FALSE(equal_in_constant_time("abc", "abd"));
    CHECK_FALSE(equal_in_constant_time("abc", "ab"));
    CHECK_FALSE(equal_in_constant_time("ab", "abab"));
    CHECK_FALSE(equal_in_constant_time("abab", "ab"));
    CHECK_FALSE(equal_in_constant_time("", "a"));
    CHECK_FALSE(equal_in_constant_time("a", ""));
}
