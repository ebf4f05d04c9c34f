#include "tools/cli/json.h"

#include <ostream>

namespace portcullis::cli {

Json to_json(const Error& error) {
    Json out = Json::object();
    if (!error.where.file.empty()) {
        out["file"] = error.where.file;
    }
    if (error.where.line != 0) {
        out["line"] = error.where.line;
    }
    if (error.where.column != 0) {
        out["column"] = error.where.column;
    }
    out["message"] = error.message;
    if (!error.cure.empty()) {
        out["cure"] = error.cure;
    }
    return out;
}

Json to_json(const Errors& errors) {
    Json out = Json::array();
    for (const Error& error : errors) {
        out.push_back(to_json(error));
    }
    return out;
}

void print_json(Console& console, const Json& json) {
    constexpr int kIndent = 2;
    // File names need not be UTF-8; JSON has to be.
    console.out << json.dump(kIndent, ' ', false, Json::error_handler_t::replace) << '\n';
}

}  // namespace portcullis::cli
