#include "control/http_message.h"

#include <nlohmann/json.hpp>

namespace portcullis {

// Bytes of a request may stand in the text: what is no UTF-8 is replaced, not thrown at.
HttpReply http_json(const nlohmann::ordered_json& body, unsigned status) {
    HttpReply out;
    out.status = status;
    out.body = body.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
    return out;
}

HttpReply http_error(unsigned status, const std::string& what, const std::string& cure) {
    nlohmann::ordered_json body = {{"error", what}};
    if (!cure.empty()) {
        body["cure"] = cure;
    }
    return http_json(body, status);
}

}  // namespace portcullis
