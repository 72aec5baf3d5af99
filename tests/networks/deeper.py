"""Networks of which a smaller one of the same page stands among the quick tests: the same layers, more of them."""

DEEPER = {
    *("resnet32", "resnet44", "resnet56", "resnet110", "densenet100-bc"),
    *("vgg13", "vgg13-bn", "vgg16", "vgg16-bn", "vgg19", "vgg19-bn"),
}
