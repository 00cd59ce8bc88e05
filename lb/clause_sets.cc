// SPDX-License-Identifier: Apache-2.0
#include "lb/clause_sets.h"

#include <immintrin.h>

#include <algorithm>
#include <array>

#include "lb/bytes.h"

namespace weft::lb {
namespace {

Address last_of(const Prefix& prefix) {
  const bool is_ipv4 = prefix.address.is_ipv4();
  Ipv6Address bytes = prefix.address.ipv6();
  for (size_t bit = prefix.length + (is_ipv4 ? 96U : 0U); bit < 128; ++bit) {
    bytes.bytes[bit / 8] = static_cast<uint8_t>(bytes.bytes[bit / 8] | 0x80 >> bit % 8);
  }
  return bytes;  // an IPv4 address stays one: its mapped form
}

/// Bytes behind the last node's, which place_of() may read.
constexpr size_t kPadding = 16;

/// Where a byte stands among `count`, each there once at most; `count`: nowhere. memchr() without the call, which would
/// cost more than most of these.
uint32_t place_of(char wanted, const char* bytes, uint32_t count) {
  for (uint32_t at = 0; at < count; at += 16) {
    const __m128i some = _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes + at));
    const auto equal = static_cast<uint32_t>(_mm_movemask_epi8(_mm_cmpeq_epi8(some, _mm_set1_epi8(wanted))));
    if (equal != 0) {
      return std::min(at + static_cast<uint32_t>(__builtin_ctz(equal)), count);
    }
  }
  return count;
}

void take_away(uint64_t* bits, const uint64_t* other, uint32_t words) {
  for (uint32_t word = 0; word < words; ++word) {
    bits[word] &= ~other[word];
  }
}

void keep_common(uint64_t* bits, const uint64_t* other, uint32_t words) {
  for (uint32_t word = 0; word < words; ++word) {
    bits[word] &= other[word];
  }
}

}  // namespace

uint32_t ClauseSets::add(const ClauseBits& bits) {
  const auto [known, is_new] = known_.try_emplace(bits, static_cast<uint32_t>(known_.size()));
  if (is_new) {
    sets_.insert(sets_.end(), bits.begin(), bits.end());
  }
  return known->second;
}

void ClauseSets::close() {
  known_.clear();
  sets_.resize(sets_.size() + kClauseBlock);
  sets_.shrink_to_fit();
}

PatternIndex::PatternIndex(uint32_t words, std::span<const ClauseField<TextPattern>> fields, Templates templates)
    : words_(words), sets_(words) {
  ClauseBits none(words);  // clauses that hold whatever the text is, even if there is none
  ClauseBits any(words);   // and those that hold of any text
  std::vector<Entry> starts;
  std::vector<Entry> endings;
  for (const auto& [clause, is] : fields) {
    if (is == nullptr || is->empty()) {
      set_clause(none, clause);
      continue;
    }
    for (const TextPattern& pattern : *is) {
      switch (pattern.kind) {
        case TextPattern::Kind::exact:
        case TextPattern::Kind::prefix:
          starts.push_back({pattern.text, clause, pattern.kind == TextPattern::Kind::exact});
          break;
        case TextPattern::Kind::suffix:
          endings.push_back({{pattern.text.rbegin(), pattern.text.rend()}, clause, false});
          break;
        case TextPattern::Kind::any:
          set_clause(any, clause);
          break;
        case TextPattern::Kind::path_template:
          if (templates == Templates::fit_any) {
            set_clause(none, clause);
          }
          break;
      }
    }
    tells_ = true;
  }
  has_others_ = !starts.empty();
  for (uint32_t word = 0; word < words; ++word) {
    has_others_ = has_others_ || any[word] != 0;
    any[word] |= none[word];
  }
  const auto by_text = [](const Entry& a, const Entry& b) { return a.text < b.text; };
  std::sort(starts.begin(), starts.end(), by_text);
  std::sort(endings.begin(), endings.end(), by_text);
  const auto plant = [&](Tree& tree, const std::vector<Entry>& entries, const ClauseBits& through,
                         const ClauseBits& ends) {
    tree.nodes.resize(1);
    tree.firsts.resize(1);
    grow(tree, 0, entries, 0, through, &ends);
    tree.firsts.resize(tree.firsts.size() + kPadding);
  };
  plant(prefixes_, starts, any, none);
  has_suffixes_ = !endings.empty();
  if (has_suffixes_) {
    plant(suffixes_, endings, ClauseBits(words), ClauseBits(words));
  }
  nothing_ = sets_.add(ClauseBits(words));
  sets_.close();
}

/// @param entries that have the node's way, `depth` bytes, in common
/// @param through what holds of whatever goes on from above
/// @param ends of the root, what holds of an empty text
void PatternIndex::grow(Tree& tree, uint32_t node, std::span<const Entry> entries, size_t depth, ClauseBits through,
                        const ClauseBits* ends) {
  size_t own = 0;
  for (; own < entries.size() && entries[own].text.size() == depth; ++own) {
    if (!entries[own].exact) {
      set_clause(through, entries[own].clause);
    }
  }
  ClauseBits here = ends == nullptr ? through : *ends;
  for (size_t i = 0; i < own; ++i) {
    set_clause(here, entries[i].clause);
  }
  tree.nodes[node].through = sets_.add(through);
  tree.nodes[node].ends = sets_.add(here);
  entries = entries.subspan(own);
  std::vector<std::span<const Entry>> groups;
  while (!entries.empty()) {
    const char first = entries.front().text[depth];
    const auto end =
        std::find_if(entries.begin(), entries.end(), [&](const Entry& e) { return e.text[depth] != first; });
    groups.push_back(entries.first(static_cast<size_t>(end - entries.begin())));
    entries = entries.subspan(groups.back().size());
  }
  const auto children = static_cast<uint32_t>(tree.nodes.size());
  tree.nodes[node].children = children;
  tree.nodes[node].count = static_cast<uint32_t>(groups.size());
  tree.nodes.resize(children + groups.size());
  tree.firsts.resize(children + groups.size());
  for (uint32_t i = 0; i < groups.size(); ++i) {
    // Sorted, so what the first and the last have in common is common to all.
    const std::string& first = groups[i].front().text;
    const std::string& last = groups[i].back().text;
    size_t common = depth;
    while (common < std::min(first.size(), last.size()) && first[common] == last[common]) {
      ++common;
    }
    Node& child = tree.nodes[children + i];
    child.label = static_cast<uint32_t>(labels_.size());
    child.label_length = static_cast<uint32_t>(common - depth);
    if (child.label_length <= Node::kInline) {
      std::copy_n(first.data() + depth, child.label_length, child.text.begin());
    } else {
      labels_ += first.substr(depth, common - depth);
    }
    tree.firsts[children + i] = first[depth];
    grow(tree, children + i, groups[i], common, through, nullptr);
  }
}

const uint64_t* PatternIndex::forward(std::string_view text) const {
  const Node* node = prefixes_.nodes.data();
  while (!text.empty()) {
    const uint32_t which =
        node->count <= 1 ? 0 : place_of(text.front(), prefixes_.firsts.data() + node->children, node->count);
    if (which == node->count) {
      return sets_[node->through];
    }
    const Node& child = prefixes_.nodes[node->children + which];
    const std::string_view label = label_of(child);
    if (text.size() < label.size() || !same_text(text.substr(0, label.size()), label)) {
      return sets_[node->through];
    }
    text.remove_prefix(label.size());
    node = &child;
  }
  return sets_[node->ends];
}

const uint64_t* PatternIndex::backward(std::string_view text) const {
  const Node* node = suffixes_.nodes.data();
  while (!text.empty()) {
    const uint32_t which =
        node->count <= 1 ? 0 : place_of(text.back(), suffixes_.firsts.data() + node->children, node->count);
    if (which == node->count) {
      return sets_[node->through];
    }
    const Node& child = suffixes_.nodes[node->children + which];
    const std::string_view label = label_of(child);
    if (text.size() < label.size() || !std::equal(label.begin(), label.end(), text.rbegin())) {
      return sets_[node->through];
    }
    text.remove_suffix(child.label_length);
    node = &child;
  }
  return sets_[node->ends];
}

void PatternIndex::narrow(std::string_view text, uint64_t* bits) const {
  const uint64_t* const starts = forward(text);
  if (!has_suffixes_) [[likely]] {
    return keep_common(bits, starts, words_);
  }
  const uint64_t* const endings = backward(text);
  for (uint32_t word = 0; word < words_; ++word) {
    bits[word] &= starts[word] | endings[word];
  }
}

void PatternIndex::narrow(std::string_view text, Narrowing& narrowing) const {
  const uint64_t* const starts = forward(text);
  const uint64_t* const endings = has_suffixes_ ? backward(text) : sets_[nothing_];
  narrowing.keep(starts, endings == sets_[nothing_] ? starts : endings);
}

void PatternIndex::remove(std::string_view text, Narrowing& narrowing) const {
  const auto drop = [&](const uint64_t* set) {
    if (set != sets_[nothing_]) {
      narrowing.drop(set);
    }
  };
  if (has_others_) {
    drop(forward(text));
  }
  if (has_suffixes_) {
    drop(backward(text));
  }
}

void Narrowing::apply(const uint64_t* from, uint64_t* bits, uint32_t words) const {
  const auto load = [](const uint64_t* at) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at)); };
  for (uint32_t word = 0; word < words; word += kClauseBlock) {
    __m256i block = load(from + word);
    for (uint32_t i = 0; i < keeps_; ++i) {
      block = _mm256_and_si256(block, _mm256_or_si256(load(kept_[i].first + word), load(kept_[i].second + word)));
    }
    for (uint32_t i = 0; i < drops_; ++i) {
      block = _mm256_andnot_si256(load(dropped_[i] + word), block);
    }
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(bits + word), block);
  }
}

void PatternIndex::remove(std::string_view text, uint64_t* bits) const {
  take_away(bits, forward(text), words_);
  if (has_suffixes_) {
    take_away(bits, backward(text), words_);
  }
}

void PatternIndex::narrow(std::span<const std::string> texts, uint64_t* bits) const {
  if (texts.size() <= 1) {
    return narrow(texts.empty() ? std::string_view() : std::string_view(texts.front()), bits);
  }
  std::array<uint64_t, kMostClauseWords> all;
  std::fill_n(all.begin(), words_, 0);
  for (const std::string& text : texts) {
    std::array<uint64_t, kMostClauseWords> one;
    std::fill_n(one.begin(), words_, ~uint64_t{0});
    narrow(std::string_view(text), one.data());
    for (uint32_t word = 0; word < words_; ++word) {
      all[word] |= one[word];
    }
  }
  keep_common(bits, all.data(), words_);
}

size_t PatternIndex::memory_bytes() const {
  return sets_.memory_bytes() + labels_.capacity() +
         (prefixes_.nodes.capacity() + suffixes_.nodes.capacity()) * (sizeof(Node) + 1);
}

AddressIndex::AddressIndex(uint32_t words, std::span<const ClauseField<Prefix>> fields) : words_(words), sets_(words) {
  struct Border {
    Edge edge;
    uint32_t clause;
  };
  std::vector<Border> borders;
  ClauseBits bits(words);
  for (const auto& [clause, is] : fields) {
    if (is == nullptr || is->empty()) {
      set_clause(bits, clause);
      continue;
    }
    for (const Prefix& prefix : *is) {
      borders.push_back({{.address = prefix.address, .after = false}, clause});
      borders.push_back({{.address = last_of(prefix), .after = true}, clause});
    }
  }
  const auto key = [](const Border& border) { return std::pair(border.edge.address, border.edge.after); };
  std::sort(borders.begin(), borders.end(), [&](const Border& a, const Border& b) { return key(a) < key(b); });
  outside_ = sets_.add(bits);
  std::map<uint32_t, uint32_t> within;  // of how many of its prefixes, by clause
  for (size_t i = 0; i < borders.size(); ++i) {
    const auto& [edge, clause] = borders[i];
    uint32_t& count = within[clause];
    count += edge.after ? UINT32_MAX : 1;
    const uint64_t bit = uint64_t{1} << clause % 64;
    bits[clause / 64] = count > 0 ? bits[clause / 64] | bit : bits[clause / 64] & ~bit;
    if (i + 1 == borders.size() || key(borders[i + 1]) != key(borders[i])) {
      edges_.push_back({.address = edge.address, .after = edge.after, .set = sets_.add(bits)});
    }
  }
  sets_.close();
}

const uint64_t* AddressIndex::find(const Address& address) const {
  const auto behind =
      std::partition_point(edges_.begin(), edges_.end(), [&](const Edge& edge) { return edge.before(address); });
  return sets_[behind == edges_.begin() ? outside_ : std::prev(behind)->set];
}

void AddressIndex::narrow(const Address& address, uint64_t* bits) const {
  keep_common(bits, find(address), words_);
}

void AddressIndex::remove(const Address& address, uint64_t* bits) const {
  take_away(bits, find(address), words_);
}

}  // namespace weft::lb
