// SPDX-License-Identifier: Apache-2.0
#include "l4/landing.h"

namespace weft::l4 {

Landing Landing::at(uint32_t worker, uint32_t workers, ClientHash hash) {
  Landing landing;
  landing.kind_ = Kind::one;
  landing.worker_ = worker;
  landing.workers_ = workers;
  landing.hash_ = hash;
  return landing;
}

Landing Landing::by_client(uint32_t workers, ClientHash hash) {
  Landing landing;
  landing.kind_ = Kind::client;
  landing.workers_ = workers;
  landing.hash_ = hash;
  return landing;
}

Landing Landing::by_rss(std::shared_ptr<const Toeplitz> toeplitz, std::vector<uint16_t> table) {
  Landing landing;
  landing.kind_ = Kind::rss;
  landing.toeplitz_ = std::move(toeplitz);
  landing.table_ = std::move(table);
  return landing;
}

Landing Landing::anywhere(uint32_t workers) {
  Landing landing;
  landing.kind_ = Kind::anywhere;
  landing.workers_ = workers;
  return landing;
}

}  // namespace weft::l4
