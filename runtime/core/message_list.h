#pragma once
// First-in first-out list of owned messages. Not thread-safe; its owner says who may touch it.

#include <muster/detail/message.h>

#include <utility>

namespace muster::detail {

class MessageList {
 public:
  MessageList() = default;
  MessageList(MessageList&& other) noexcept
      : head_(std::exchange(other.head_, nullptr)), tail_(std::exchange(other.tail_, nullptr)) {}
  MessageList& operator=(MessageList&& other) noexcept {
    std::swap(head_, other.head_);
    std::swap(tail_, other.tail_);
    return *this;
  }
  ~MessageList() {
    while (pop()) {
    }
  }
  bool empty() const noexcept { return head_ == nullptr; }
  void push(std::unique_ptr<Message> message) noexcept {
    Message* raw = message.release();
    (tail_ ? tail_->next : head_) = raw;
    tail_ = raw;
  }
  void push_front(std::unique_ptr<Message> message) noexcept {
    message->next = head_;
    head_ = message.release();
    if (tail_ == nullptr) tail_ = head_;
  }
  std::unique_ptr<Message> pop() noexcept {
    std::unique_ptr<Message> first(head_);
    if (first) {
      head_ = std::exchange(first->next, nullptr);
      if (head_ == nullptr) tail_ = nullptr;
    }
    return first;
  }

  /// Puts all of `later` behind its own.
  void append(MessageList&& later) noexcept {
    if (later.empty()) return;
    (tail_ ? tail_->next : head_) = later.head_;
    tail_ = later.tail_;
    later.head_ = later.tail_ = nullptr;
  }
  /// The oldest that belongs to that call; null when none does.
  std::unique_ptr<Message> take(const CallKey& key) noexcept {
    Message* before = nullptr;
    for (Message* message = head_; message != nullptr; message = message->next) {
      if (message->key() == key) {
        (before ? before->next : head_) = message->next;
        if (tail_ == message) tail_ = before;
        message->next = nullptr;
        return std::unique_ptr<Message>(message);
      }
      before = message;
    }
    return nullptr;
  }

  /// All that the incarnation of the actor has sent to itself.
  MessageList take_own() noexcept {
    MessageList own;
    MessageList others;
    while (auto message = pop()) {
      MessageList& list = message->own ? own : others;
      list.push(std::move(message));
    }
    append(std::move(others));
    return own;
  }

 private:
  Message* head_ = nullptr;
  Message* tail_ = nullptr;
};

}  // namespace muster::detail
