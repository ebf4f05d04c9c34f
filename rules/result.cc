#include "rules/result.h"

namespace portcullis {

std::string to_string(const Error& error) {
    std::string out = error.where.file;
    if (error.where.line != 0) {
        out += ":" + std::to_string(error.where.line);
        if (error.where.column != 0) {
            out += ":" + std::to_string(error.where.column);
        }
    }
    if (!out.empty()) {
        out += ": ";
    }
    out += error.message;
    if (!error.cure.empty()) {
        out += " (" + error.cure + ")";
    }
    return out;
}

std::string to_string(const Errors& errors) {
    std::string out;
    for (const Error& error : errors) {
        out += to_string(error) + "\n";
    }
    return out;
}

}  // namespace portcullis
