#include "rules/signature_patterns.h"

#include "rules/pattern_database.h"
#include "rules/payload_match.h"

#include <hs/hs_compile.h>

#include <cctype>
#include <cstdlib>
#include <cstring>
#include <memory>

namespace portcullis {

namespace {

// A flow is judged by the first match; `.` is any byte, since payloads are no lines of text.
constexpr unsigned kFlags = HS_FLAG_SINGLEMATCH | HS_FLAG_DOTALL;

struct FreeInfo {
    // Hyperscan's own allocator is malloc, unless it is given another one.
    // NOLINTNEXTLINE(cppcoreguidelines-no-malloc,cppcoreguidelines-owning-memory)
    void operator()(void* memory) const noexcept { std::free(memory); }
};

struct FreeCompileError {
    void operator()(hs_compile_error_t* error) const noexcept { hs_free_compile_error(error); }
};

using CompileError = std::unique_ptr<hs_compile_error_t, FreeCompileError>;
using Database = std::unique_ptr<hs_database, FreePatterns>;

// "Pattern is too large." -> without the full stop, to go on behind it.
std::string without_full_stop(std::string text) {
    while (!text.empty() && (text.back() == '.' || text.back() == ' ')) {
        text.pop_back();
    }
    return text;
}

// Hyperscan says where only in words: "... at index 3."
PatternFault fault_of(const hs_compile_error_t* error) {
    PatternFault out;
    out.message = error == nullptr ? "no memory" : without_full_stop(error->message);
    out.cure = "write what Hyperscan supports: no back-references and no look-around";
    constexpr std::string_view kIndex = " at index ";
    const std::size_t found = out.message.find(kIndex);
    if (found != std::string::npos) {
        const char* const digits = out.message.c_str() + found + kIndex.size();
        if (std::isdigit(static_cast<unsigned char>(*digits)) != 0) {
            out.at = std::strtoul(digits, nullptr, 10);
        }
        out.message.resize(found);
    }
    return out;
}

Result<Database> compile_database(const std::vector<SignaturePattern>& patterns) {
    std::vector<const char*> texts;
    std::vector<unsigned> flags;
    std::vector<unsigned> ids;
    for (const SignaturePattern& pattern : patterns) {
        texts.push_back(pattern.text.c_str());
        flags.push_back(kFlags);
        ids.push_back(pattern.rule.value);
    }
    hs_database_t* database = nullptr;
    hs_compile_error_t* error = nullptr;
    const hs_error_t code = hs_compile_multi(
        texts.data(),
        flags.data(),
        ids.data(),
        static_cast<unsigned>(texts.size()),
        HS_MODE_BLOCK,
        nullptr,
        &database,
        &error
    );
    const CompileError owned_error(error);
    if (code != HS_SUCCESS) {
        const PatternFault fault = fault_of(error);
        return Error{{}, "the patterns cannot be compiled: " + fault.message, fault.cure};
    }
    return Database(database);
}

std::optional<PatternFault> fault_of_width(const hs_expr_info_t& facts) {
    if (facts.min_width == 0) {
        return PatternFault{
            std::nullopt,
            "it matches without a single byte",
            "let it need at least one, as '^SSH-2' does"};
    }
    if (facts.min_width > kInspectedBytes) {
        return PatternFault{
            std::nullopt,
            "it needs at least " + std::to_string(facts.min_width) + " bytes",
            "only the first " + std::to_string(kInspectedBytes)
                + " of each direction are looked at"};
    }
    return std::nullopt;
}

}  // namespace

std::optional<PatternFault> fault_of_pattern(std::string_view pattern) {
    if (pattern.size() > kPatternBytesMax) {
        return PatternFault{
            std::nullopt,
            "it has " + std::to_string(pattern.size()) + " bytes",
            "at most " + std::to_string(kPatternBytesMax)};
    }
    if (const std::size_t zero = pattern.find('\0'); zero != std::string_view::npos) {
        return PatternFault{zero, "a zero byte", "write it as \\x00"};
    }
    if (std::optional<PatternFault> fault = fault_of_cost(pattern)) {
        return fault;
    }
    const std::string text(pattern);
    hs_expr_info_t* facts = nullptr;
    hs_compile_error_t* error = nullptr;
    const hs_error_t code = hs_expression_info(text.c_str(), kFlags, &facts, &error);
    const CompileError owned_error(error);
    const std::unique_ptr<hs_expr_info_t, FreeInfo> owned_facts(facts);
    if (code != HS_SUCCESS) {
        return fault_of(error);
    }
    if (std::optional<PatternFault> fault = fault_of_width(*facts)) {
        return fault;
    }
    const Result<std::vector<std::byte>> compiled = compile_patterns({{RuleIndex{0}, text}});
    if (!compiled) {
        const Error& refused = compiled.errors().front();
        return PatternFault{std::nullopt, refused.message, refused.cure};
    }
    return std::nullopt;
}

Result<std::vector<std::byte>> compile_patterns(const std::vector<SignaturePattern>& patterns) {
    if (patterns.empty()) {
        return std::vector<std::byte>{};
    }
    const Result<Database> database = compile_database(patterns);
    if (!database) {
        return database.errors();
    }
    char* bytes = nullptr;
    std::size_t size = 0;
    if (hs_serialize_database(database.value().get(), &bytes, &size) != HS_SUCCESS) {
        return Error{{}, "the patterns cannot be serialised", "report it"};
    }
    const std::unique_ptr<char, FreeInfo> owned(bytes);
    if (size > kPatternDatabaseBytesMax) {
        return Error{
            {},
            "too costly, " + std::to_string(size) + " bytes when compiled",
            "at most " + std::to_string(kPatternDatabaseBytesMax)
                + "; use smaller repetitions and fewer alternatives"};
    }
    std::vector<std::byte> out(size);
    std::memcpy(out.data(), bytes, size);
    return out;
}

}  // namespace portcullis
