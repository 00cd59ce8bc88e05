// SPDX-License-Identifier: Apache-2.0
#include "lb/caller_table.h"

#include <algorithm>

#include "lb/address_hash.h"

namespace weft::lb {
namespace {

/// Which branch, and which of its leaves. The lowest bits are left to whoever hashes addresses for itself.
std::pair<size_t, size_t> place_of(const Address& address) {
  const uint64_t hash = HashOfAddress()(address);
  return {hash >> 58, hash >> 52 & 63};
}

}  // namespace

std::shared_ptr<const CallerTable> CallerTable::with(const std::vector<Edit>& edits) const {
  auto next = std::make_shared<CallerTable>(*this);
  ++next->revision_;
  // What was copied for one edit is ours to write for the next.
  std::array<std::shared_ptr<Branch>, kFanOut> branches;
  std::array<std::array<std::shared_ptr<Leaf>, kFanOut>, kFanOut> leaves;
  for (const Edit& edit : edits) {
    const auto [at, below] = place_of(edit.address);
    if (branches[at] == nullptr) {
      branches[at] = root_[at] == nullptr ? std::make_shared<Branch>() : std::make_shared<Branch>(*root_[at]);
      next->root_[at] = branches[at];
    }
    if (leaves[at][below] == nullptr) {
      const std::shared_ptr<const Leaf>& before = (*branches[at])[below];
      leaves[at][below] = before == nullptr ? std::make_shared<Leaf>() : std::make_shared<Leaf>(*before);
      (*branches[at])[below] = leaves[at][below];
    }
    Leaf& leaf = *leaves[at][below];
    const auto known =
        std::find_if(leaf.begin(), leaf.end(), [&](const auto& entry) { return entry.first == edit.address; });
    if (known != leaf.end()) {
      leaf.erase(known);
    }
    if (edit.caller != nullptr) {
      leaf.emplace_back(edit.address, edit.caller);
    }
  }
  return next;
}

const Caller* CallerTable::find(const Address& address) const {
  const auto [at, below] = place_of(address);
  const Branch* const branch = root_[at].get();
  const Leaf* const leaf = branch == nullptr ? nullptr : (*branch)[below].get();
  if (leaf == nullptr) {
    return nullptr;
  }
  for (const auto& [known, caller] : *leaf) {
    if (known == address) {
      return caller.get();
    }
  }
  return nullptr;
}

}  // namespace weft::lb
