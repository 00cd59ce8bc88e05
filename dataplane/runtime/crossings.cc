// SPDX-License-Identifier: Apache-2.0
#include "runtime/crossings.h"

#include <fmt/format.h>
#include <rte_errno.h>
#include <rte_mbuf.h>
#include <rte_ring.h>
#include <rte_ring_elem.h>

namespace weft::runtime {

tl::expected<std::unique_ptr<Crossings>, std::string> Crossings::make(uint32_t workers) {
  std::unique_ptr<Crossings> crossings(new Crossings(workers));
  const auto ring = [](const std::string& name, uint32_t element) {
    return rte_ring_create_elem(name.c_str(), element, kRing, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
  };
  for (uint32_t from = 0; from < workers; ++from) {
    for (uint32_t to = 0; to < workers; ++to) {
      const bool same = from == to;
      crossings->packets_.push_back(same ? nullptr : ring(fmt::format("packets{}-{}", from, to), sizeof(Crossing)));
      crossings->notes_.push_back(same ? nullptr : ring(fmt::format("notes{}-{}", from, to), sizeof(l4::Note)));
      if (!same && (crossings->packets_.back() == nullptr || crossings->notes_.back() == nullptr)) {
        return tl::unexpected(fmt::format("no memory for the rings between {} workers ({}): raise memory.megabytes",
                                          workers, rte_strerror(rte_errno)));
      }
    }
  }
  return crossings;
}

Crossings::~Crossings() {
  Crossing crossing;
  for (rte_ring* ring : packets_) {
    while (ring != nullptr && rte_ring_sc_dequeue_elem(ring, &crossing, sizeof crossing) == 0) {
      rte_pktmbuf_free(crossing.packet);
    }
    rte_ring_free(ring);
  }
  for (rte_ring* ring : notes_) {
    rte_ring_free(ring);
  }
}

bool Crossings::send(uint32_t from, uint32_t to, const Crossing& crossing) {
  return rte_ring_sp_enqueue_elem(packets_[index(from, to)], const_cast<Crossing*>(&crossing), sizeof crossing) == 0;
}

uint32_t Crossings::room_for_notes(uint32_t from, uint32_t to) const {
  return rte_ring_free_count(notes_[index(from, to)]);
}

void Crossings::send(uint32_t from, uint32_t to, const std::vector<l4::Note>& notes) {
  rte_ring_sp_enqueue_bulk_elem(notes_[index(from, to)], notes.data(), sizeof(l4::Note),
                                static_cast<uint32_t>(notes.size()), nullptr);
}

uint32_t Crossings::receive(rte_ring* ring, void* elements, uint32_t size, uint32_t count) {
  return rte_ring_sc_dequeue_burst_elem(ring, elements, size, count, nullptr);
}

}  // namespace weft::runtime
