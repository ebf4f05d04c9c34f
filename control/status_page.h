// The status page at /: status_page/index.html, embedded at build time. It only reads /api/v1. Any thread.
#pragma once

#include "control/http_message.h"

namespace portcullis {

class HttpRouter;

// Scripts and styles run by a nonce that is new in every answer; nothing may be loaded from anywhere but /api/v1 here.
[[nodiscard]] HttpReply status_page();

void add_status_page(HttpRouter& router);

}  // namespace portcullis
