// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

namespace weft::proxy {

/// Is it a traceparent (W3C Trace Context, section 3.2)? What is none is to be replaced, and tracestate goes with it
/// (section 3.3.1.1).
bool is_traceparent(std::string_view text);

}  // namespace weft::proxy
