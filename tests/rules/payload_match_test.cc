// What the first bytes of a flow say: by one side, by both, and where they end early.
#include "rules/payload_match.h"

#include <catch2/catch.hpp>

#include <string>
#include <string_view>
#include <vector>

using namespace portcullis;

namespace {

constexpr ProtocolSet kSmtp = protocol_bit(PayloadProtocol::smtp);
constexpr ProtocolSet kSmb = protocol_bit(PayloadProtocol::smb);
constexpr ProtocolSet kNetbios = protocol_bit(PayloadProtocol::netbios_session);

FlowSide side(std::string_view text, bool closed = false) {
    return {{reinterpret_cast<const std::uint8_t*>(text.data()), text.size()}, closed};
}

ProtocolFindings find(std::string_view first, std::string_view second) {
    return find_protocols({side(first), side(second)}, kBuiltInProtocols);
}

std::string smb(char id) {
    std::string out("\0\0\0\x40", 4);
    out += id;
    return out + "SMB" + std::string(60, '\0');
}

std::string session_request() {
    const std::string name = "\x20" + std::string(32, 'C') + std::string(1, '\0');
    return std::string("\x81\0\0\x44", 4) + name + name;
}

}  // namespace

TEST_CASE("SMTP needs both sides where both are seen") {
    CHECK(find("EHLO a\r\n", "220 mx ESMTP\r\n").found == kSmtp);
    CHECK(find("220-mx\r\n220 go\r\n", "helo a\r\n").found == kSmtp);
    CHECK(find("MAIL FROM:<a@b>\r\n", "220 \r\n").found == kSmtp);
    CHECK(find("EHLO a\r\n", "").found == 0);
    CHECK(find("ehlo\r\n", "220 mx ESMTP\r\n").found == kSmtp);  // without a name, as some type it
    CHECK(find("ehlox\r\n", "220 mx ESMTP\r\n").found == 0);
    CHECK(find("", "220 mx ESMTP\r\n").found == 0);
    CHECK(find("", "220 mx ESMTP\r\n").possible == kSmtp);
}

TEST_CASE("Which side of SMTP is the server") {
    CHECK(find("EHLO a\r\n", "220 mx\r\n").server == 1);
    CHECK(find("220 mx\r\n", "EHLO a\r\n").server == 0);
    CHECK(find("EHLO a\r\nMAIL FROM:<>\r\n", "").server == 1);
    CHECK(find("", "220 ESMTP\r\n250 mx\r\n").server == 1);
}

TEST_CASE("One side of SMTP alone must leave no doubt") {
    CHECK(find("EHLO a\r\nMAIL FROM:<>\r\n", "").found == kSmtp);
    CHECK(find("EHLO a\r\nAUTH LOGIN\r\n", "").found == kSmtp);
    CHECK(find("EHLO a\r\nSTARTTLS\r\n", "").found == kSmtp);
    CHECK(find("EHLO a\r\nGET / HTTP/1.1\r\n", "").found == 0);
    CHECK(find("MAIL FROM:<a@b>\r\n", "").found == 0);
    CHECK(find("", "220 mx ESMTP\r\n250 mx\r\n").found == kSmtp);
    CHECK(find("", "220-a\r\n220 smtp\r\n250-mx\r\n").found == kSmtp);
    CHECK(find("", "220 mx FTP\r\n250 mx\r\n").found == 0);
    CHECK(find("", "220 mx ESMTP\r\n331 mx\r\n").found == 0);
}

TEST_CASE("Other protocols are none of these, and soon impossible") {
    for (const auto& [client, server] : std::vector<std::pair<std::string_view, std::string_view>>{
             {"USER a\r\n", "220 (vsFTPd 3.0.3)\r\n"},
             {"AUTH TLS\r\n", "220 ProFTPD\r\n"},
             {"GET / HTTP/1.1\r\n", ""},
             {"\x16\x03\x01\x02", ""},
             {"SSH-2.0-a\r\n", "SSH-2.0-b\r\n"},
             {"a LOGIN b c\r\n", "* OK IMAP4rev1\r\n"},
             {"USER a\r\n", "+OK POP3\r\n"},
             {"LHLO a\r\n", "220 lmtp\r\n"}}) {
        INFO(client);
        CHECK(find(client, server).found == 0);
        CHECK(find(client, server).possible == 0);
    }
}

TEST_CASE("SMB by each of its ids, on either side") {
    for (const char id : {'\xFF', '\xFE', '\xFD', '\xFC'}) {
        CHECK(find(smb(id), "").found == kSmb);
        CHECK(find("", smb(id)).found == kSmb);
    }
    CHECK(find(smb('\xFB'), "").found == 0);
    CHECK(find(smb('\xFE').substr(0, 7), "").possible == kSmb);
    CHECK(find(smb('\xFE').substr(0, 7), "").found == 0);
    std::string short_one = smb('\xFE');
    short_one[3] = 8;
    CHECK(find(short_one, "").found == 0);
    CHECK(find(short_one, "").possible == 0);
}

TEST_CASE("A NetBIOS session, and SMB within it") {
    CHECK(find(session_request(), "").found == kNetbios);
    CHECK(find(session_request().substr(0, 36), "").found == 0);
    CHECK(find(session_request().substr(0, 36), "").possible == (kNetbios | kSmb));
    CHECK(find_protocols({side(session_request() + smb('\xFF')), side("")}, kSmb).found == kSmb);
    const std::string response("\x82\0\0\0", 4);
    CHECK(find("", response).possible == (kNetbios | kSmb));
    CHECK(find("", response + smb('\xFF')).found == kSmb);
    std::string other = session_request();
    other[6] = 'Q';
    CHECK(find(other, "").found == 0);
}

TEST_CASE("What is not wanted is not looked for") {
    CHECK(find_protocols({side(smb('\xFE')), side("")}, kSmtp).found == 0);
    CHECK(find_protocols({side(smb('\xFE')), side("")}, kSmtp).possible == 0);
    CHECK(find_protocols({side("EHLO a\r\n"), side("220 mx\r\n")}, kSmb).found == 0);
}

TEST_CASE("A side that is not looked at any more leaves nothing open") {
    CHECK(find_protocols({side("EHLO a\r\n", true), side("")}, kSmtp).possible == 0);
    CHECK(find_protocols({side("EH", true), side("220 mx\r\n")}, kSmtp).possible == 0);
    CHECK(find_protocols({side("EHLO a\r\n", true), side("220")}, kSmtp).possible == kSmtp);
}
