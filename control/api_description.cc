#include "control/api_description.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cctype>
#include <set>

namespace portcullis {

void add_description_route(HttpRouter& router) {
    router.add({HttpMethod::get, "/api/v1/openapi.json", [](const HttpRequest&) {
                    HttpReply out;
                    out.body = api_description();
                    return out;
                }});
}

std::vector<std::string> description_gaps(const HttpRouter& router) {
    std::set<std::string> served;
    for (const HttpRoute& route : router.routes()) {
        served.insert(std::string(label(route.method)) + " " + route.path);
    }
    std::set<std::string> described;
    const auto description = nlohmann::json::parse(api_description());
    for (const auto& [path, methods] : description.at("paths").items()) {
        for (const auto& [method, ignored] : methods.items()) {
            std::string upper = method;
            std::transform(upper.begin(), upper.end(), upper.begin(), [](unsigned char letter) {
                return static_cast<char>(std::toupper(letter));
            });
            described.insert(upper + " " + path);
        }
    }
    std::vector<std::string> out;
    std::set_symmetric_difference(
        served.begin(), served.end(), described.begin(), described.end(), std::back_inserter(out)
    );
    return out;
}

}  // namespace portcullis
