// GET /api/v1/explain: which subscriber, class, rule and exception of the running policy decide about a flow, and what
// was dropped of that subscriber so far. Exemption objects are among the exceptions. HTTP threads.
#pragma once

#include "control/bookkeeper.h"
#include "control/exemption_desk.h"
#include "control/http_message.h"

namespace portcullis {

class HttpRouter;

// Arguments: src, dst, dport; sport (49152), proto (tcp), inbound (false).
[[nodiscard]] HttpReply
explain(const Bookkeeper& books, const ExemptionDesk& exemptions, const HttpRequest& request);

// `books` and `exemptions` live longer than the router.
void add_explain_route(
    HttpRouter& router,
    const Bookkeeper& books,
    const ExemptionDesk& exemptions
);

}  // namespace portcullis
