"""Ratings as products of what users like and what films have, with the biases of both."""

import numpy as np
import torch
from torch import nn
from torch.autograd import Variable

torch.manual_seed(0)
rng = np.random.RandomState(1)
n_users, n_items, rank = 20, 15, 3
likes, haves = rng.normal(size=(n_users, rank)), rng.normal(size=(n_items, rank))
users, items = rng.randint(0, n_users, 300), rng.randint(0, n_items, 300)
ratings = (likes[users] * haves[items]).sum(1) + 3 + rng.normal(0, 0.1, 300)


class MatrixFactorization(torch.nn.Module):
    def __init__(self, n_users, n_items, n_factors=3):
        super().__init__()
        self.user_factors = torch.nn.Embedding(n_users, n_factors)
        self.item_factors = torch.nn.Embedding(n_items, n_factors)
        self.user_biases = torch.nn.Embedding(n_users, 1)
        self.item_biases = torch.nn.Embedding(n_items, 1)
        self.mean = nn.Parameter(torch.FloatTensor([0.0]))
        self.user_factors.weight.data.uniform_(-0.5, 0.5)
        self.item_factors.weight.data.uniform_(-0.5, 0.5)
        self.user_biases.weight.data.zero_()
        self.item_biases.weight.data.zero_()

    def forward(self, user, item):
        pred = self.user_biases(user) + self.item_biases(item)
        pred += (self.user_factors(user) * self.item_factors(item)).sum(dim=1, keepdim=True)
        return pred.squeeze() + self.mean


class Ratings(torch.utils.data.Dataset):
    def __len__(self):
        return len(ratings)

    def __getitem__(self, index):
        return users[index], items[index], np.float32(ratings[index])


model = MatrixFactorization(n_users, n_items)
loss_func = torch.nn.MSELoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.5, weight_decay=1e-4)
losses = []
for epoch in range(6):
    for user, item, rating in torch.utils.data.DataLoader(Ratings(), batch_size=50, shuffle=True):
        user, item, rating = Variable(user), Variable(item), Variable(rating)
        optimizer.zero_grad()
        prediction = model(user, item)
        loss = loss_func(prediction, rating)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
one = model(torch.LongTensor([3]), torch.LongTensor([4]))
losses.append(one.item())
weights = torch.from_numpy(1.0 / np.bincount(items, minlength=n_items))[torch.from_numpy(items)]
sampler = torch.utils.data.WeightedRandomSampler(weights, 60)
for user, item, rating in torch.utils.data.DataLoader(Ratings(), batch_size=20, sampler=sampler):
    losses.append(loss_func(model(user, item), rating).data.item())
print(f"{losses[0]:.3f} -> {losses[-1]:.3f}")
