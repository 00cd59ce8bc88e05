// SPDX-License-Identifier: Apache-2.0
#include "proxy/kept_body.h"

#include <utility>

namespace weft::proxy {

KeptBodies::KeptBodies(uint32_t slices) : kept_(slices) {
  for (uint32_t number = slices; number-- > 0;) {
    kept_[number].next = std::exchange(free_, number);
  }
}

void KeptBodies::keep(KeptBody& body, buffer::Slice slice) {
  if (!body.is_whole || free_ == KeptBody::kNone || body.bytes + slice.size() > body.most ||
      body.slices == KeptBody::most_slices(body.most)) {
    forget(body);
    body.is_whole = false;
    return;
  }
  const uint32_t number = free_;
  free_ = kept_[number].next;
  body.bytes += static_cast<uint32_t>(slice.size());
  ++body.slices;
  kept_[number] = {std::move(slice), KeptBody::kNone};
  (body.last == KeptBody::kNone ? body.first : kept_[body.last].next) = number;
  body.last = number;
}

void KeptBodies::forget(KeptBody& body) {
  for (uint32_t number = body.first; number != KeptBody::kNone;) {
    const uint32_t next = kept_[number].next;
    kept_[number] = {buffer::Slice(), std::exchange(free_, number)};
    number = next;
  }
  body.first = body.last = KeptBody::kNone;
  body.bytes = 0;
  body.slices = 0;
}

}  // namespace weft::proxy
