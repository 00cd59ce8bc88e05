// SPDX-License-Identifier: Apache-2.0
/// @file `where <request>`: which rule and which endpoint a request would get, and why.
///
/// It asks what workers ask: the codec, the snapshot's route table, the balancer. What a worker alone knows (how loaded
/// endpoints are, whose turn it is) or leaves to chance is said to be so, and all that it may choose from is listed.
#pragma once

#include "http/http1.h"
#include "lb/outlier.h"
#include "lb/session_token.h"
#include "ops/request_question.h"

namespace weft::ops {

struct RequestView {
  const lb::Snapshot& snapshot;
  http::Limits limits;
  lb::SessionKey session_key{};
  uint32_t now_s = 0;                          ///< seconds since 1970
  const lb::OutlierBoard* outliers = nullptr;  ///< null: nobody is ejected
  uint32_t millis = 0;                         ///< as workers count it
  uint64_t now_ns = 0;                         ///< likewise
};
/// An error if there is nobody who would read the request.
Answer answer_request(const RequestView& view, const RequestQuestion& question);

/// `where <method> http://...`: see parse_request_question().
Answer where_request(node::Node& node, const Words& arguments);

}  // namespace weft::ops
