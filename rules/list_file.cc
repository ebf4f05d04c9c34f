#include "rules/list_file.h"

#include "rules/table_reader.h"
#include "rules/toml_lines.h"

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <system_error>
#include <utility>

namespace portcullis {

namespace {

Error unreadable(const std::filesystem::path& path, std::string why, std::string cure) {
    return {{path.string(), 0, 0}, std::move(why), std::move(cure)};
}

std::string describe(const std::error_code& code) {
    return code.message();
}

}  // namespace

Result<std::string> read_text_file(const std::filesystem::path& path) {
    std::error_code failure;
    const std::filesystem::file_status status = std::filesystem::status(path, failure);
    if (status.type() == std::filesystem::file_type::directory) {
        return unreadable(path, "it is a directory", "name a file in it");
    }
    if (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status)) {
        return unreadable(path, "it is not a regular file", "copy its contents to a file");
    }
    if (!std::filesystem::exists(status)) {
        const std::string why = failure ? describe(failure) : "No such file or directory";
        return unreadable(path, why, "");
    }
    errno = 0;
    std::ifstream file(path, std::ios::binary);
    if (!file) {
        return unreadable(path, describe({errno, std::generic_category()}), "");
    }
    std::string out;
    constexpr std::size_t kChunkBytes = std::size_t{1} << 20U;
    // Only a hint: a file can grow while it is read, and has the size 0 in /proc.
    const std::uintmax_t size = std::filesystem::file_size(path, failure);
    out.reserve((failure ? 0 : std::min<std::uintmax_t>(size, kTextFileBytesMax)) + kChunkBytes);
    while (file && out.size() <= kTextFileBytesMax) {
        const std::size_t had = out.size();
        out.resize(had + kChunkBytes);
        file.read(out.data() + had, static_cast<std::streamsize>(kChunkBytes));
        out.resize(had + static_cast<std::size_t>(file.gcount()));
    }
    if (file.bad()) {
        return unreadable(path, "reading it failed", "");
    }
    if (out.size() > kTextFileBytesMax) {
        return unreadable(
            path, "it is larger than 256 MiB", "aggregate prefixes, or split the list"
        );
    }
    return out;
}

void parse_prefix_list(
    std::string_view text,
    const std::filesystem::path& list,
    SourcePosition named_at,
    ErrorList& errors,
    std::vector<ListedPrefix>& out
) {
    constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
    text.remove_prefix(text.starts_with(kByteOrderMark) ? kByteOrderMark.size() : 0);
    for (std::uint32_t number = 1; !text.empty(); ++number) {
        const std::string_view line = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(line.size() + 1, text.size()));
        const std::string_view entry = trimmed(line.substr(0, line.find('#')));
        if (entry.empty()) {
            continue;
        }
        const auto column = static_cast<std::uint32_t>(entry.data() - line.data() + 1);
        const std::optional<Prefix> prefix = parse_prefix(entry);
        if (prefix && !has_host_bits(*prefix)) {
            out.push_back({*prefix, {number, column}});
            continue;
        }
        if (std::optional<Error> error = prefix_error(entry)) {
            errors.add_in_list(
                named_at,
                {list.string(), number, column},
                std::move(error->message),
                std::move(error->cure)
            );
        }
    }
}

}  // namespace portcullis
