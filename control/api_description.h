// The description of the HTTP API, control/openapi.json, built into the program. Any thread.
#pragma once

#include "control/http_router.h"

#include <string>
#include <string_view>
#include <vector>

namespace portcullis {

// The file's text.
[[nodiscard]] std::string_view api_description();

// GET /api/v1/openapi.json.
void add_description_route(HttpRouter& router);

// "POST /api/v1/apply": what the router serves and the description does not know, and the other way about.
[[nodiscard]] std::vector<std::string> description_gaps(const HttpRouter& router);

}  // namespace portcullis
