// SPDX-License-Identifier: Apache-2.0
#include "proxy/head_source.h"

#include <algorithm>
#include <cstring>
#include <string_view>
#include <utility>

#include "http/http1.h"

namespace weft::proxy {
HeadSource::Outcome HeadSource::take(tcp::ConnectionId id, PartialHead& partial, buffer::Slice& head) {
  const buffer::Slice* const front = engine_.front(id);
  if (partial.begun() || front == nullptr) {
    return front == nullptr ? Outcome::partial : gather(id, partial, head);
  }
  size_t searched = partial.searched;
  const size_t end = http::find_end(text_of(*front), searched);
  partial.searched = static_cast<uint32_t>(searched);
  if (end > longest_ || (end == 0 && front->size() >= longest_)) {
    return Outcome::too_long;
  }
  if (end > 0) {
    head = front->part(0, static_cast<uint16_t>(end));
    engine_.consume(id, end);
    partial = {};
    return Outcome::whole;
  }
  return engine_.readable(id) == front->size() ? Outcome::partial : gather(id, partial, head);
}

HeadSource::Outcome HeadSource::gather(tcp::ConnectionId id, PartialHead& partial, buffer::Slice& head) {
  if (!partial.begun()) {
    buffer::Buffer* const buffer = buffers_.pool().take();
    if (buffer == nullptr) {
      return Outcome::no_memory;
    }
    partial.gathered = buffer::Slice(buffer, 0, 0);
  }
  while (const buffer::Slice* front = engine_.front(id)) {
    const size_t before = partial.gathered.size();
    const size_t some = std::min(front->size(), partial.gathered.tailroom());
    const std::span<std::byte> grown = partial.gathered.grow(static_cast<uint16_t>(some));
    std::memcpy(grown.data(), front->data(), some);
    size_t searched = partial.searched;
    const size_t end = http::find_end(text_of(partial.gathered), searched);
    partial.searched = static_cast<uint32_t>(searched);
    if (end > 0) {
      partial.gathered.trim_back(static_cast<uint16_t>(partial.gathered.size() - end));
      engine_.consume(id, end - before);
      head = std::exchange(partial, PartialHead{}).gathered.share();
      return Outcome::whole;
    }
    if (partial.gathered.tailroom() == 0) {
      return Outcome::too_long;
    }
    engine_.consume(id, some);
  }
  return Outcome::partial;
}

}  // namespace weft::proxy
